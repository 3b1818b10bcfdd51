"""Animations: every frame as it was, for ever, and whole or absent."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gtk.core.values.errors import InvalidValue
from gtk.pictures.animation import write_animation


def read(path: Path) -> tuple[list[NDArray[np.uint8]], list[float], int]:
    """Return the frames in colour, their times, and how often they are shown; 0 is for ever."""
    frames, times = [], []
    with Image.open(path) as image:
        for index in range(image.n_frames):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGB")))
            times.append(image.info["duration"])
        return frames, times, image.info["loop"]


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.apng", "a.GIF"])
def test_grey_levels_are_exact(tmp_path: Path, name: str) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    frames = [levels, levels[::-1], levels.T, levels // 2, 255 - levels]
    write_animation(frames, tmp_path / name, [100, 200, 300, 400, 500])
    found, times, loop = read(tmp_path / name)
    assert len(found) == len(frames)
    for shown, frame in zip(found, frames, strict=True):
        assert np.array_equal(shown, frame[..., None].repeat(3, axis=2))
    assert times == [100, 200, 300, 400, 500]
    assert loop == 0


@pytest.mark.parametrize(("name", "off"), [("a.png", 0), ("a.gif", 12)])
def test_colours_are_exact_or_near(tmp_path: Path, name: str, off: int) -> None:
    generator = np.random.default_rng(0)
    frames = [generator.integers(0, 256, (9, 9, 3), dtype=np.uint8) for _ in range(3)]
    write_animation(frames, tmp_path / name, [50] * 3)
    found, _, _ = read(tmp_path / name)
    for shown, frame in zip(found, frames, strict=True):
        assert abs(shown.astype(int) - frame).max() <= off


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    frames = [np.full((4, 4, 3), level, np.uint8) for level in (1, 2, 3)]
    for name in ("a.gif", "b.gif", "a.png", "b.png"):
        write_animation(frames, tmp_path / name, [83] * 3)
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_too_many_pixels_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="make fewer frames"):
        write_animation([np.zeros((5000, 5001), np.uint8)] * 4, tmp_path / "a.gif", [1] * 4)
    assert not list(tmp_path.iterdir())
