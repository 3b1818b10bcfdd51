"""Pictures that a page can hold."""

import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gtk.pictures.embedded import LEAST_FRAMES, Frames, Picture, fitting, spread
from gtk.pictures.grid import write_png


def noise(size: int, seed: int) -> Picture:
    """Return a picture that nothing can compress."""
    return Picture.of(np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8))


def total(series: dict[str, Frames]) -> int:
    return sum(picture.size for frames in series.values() for picture in frames.values())


@pytest.fixture(scope="module")
def series() -> dict[str, Frames]:
    return {
        "samples": {epoch: noise(120, epoch) for epoch in range(10, 310, 10)},
        "latents": {300: noise(120, 0)},
    }


def test_what_fits_is_left_as_it_is(series: dict[str, Frames]) -> None:
    assert fitting(series, total(series) + 1) == series


def test_epochs_are_left_out_before_quality_is(series: dict[str, Frames]) -> None:
    room = total(series) // 2
    chosen = fitting(series, room)
    assert total(chosen) < room
    assert total(chosen) > 0.9 * room, "more would have fitted"
    epochs = list(chosen["samples"])
    assert (epochs[0], epochs[-1]) == (10, 300)
    assert max(np.diff(epochs)) <= 2 * min(np.diff(epochs))
    assert all(picture is series["samples"][epoch] for epoch, picture in chosen["samples"].items())
    assert chosen["latents"] == series["latents"]


def test_then_pictures_lose_quality(series: dict[str, Frames]) -> None:
    room = total(series) // 20
    chosen = fitting(series, room)
    assert 0 < total(chosen) < room
    assert len(chosen["samples"]) == LEAST_FRAMES
    assert {picture.kind for picture in chosen["samples"].values()} == {"webp"}


@pytest.mark.parametrize("room", [-5, 0, 100])
def test_without_room_there_are_none(series: dict[str, Frames], room: int) -> None:
    assert fitting(series, room) == {"samples": {}, "latents": {}}


def test_the_last_frame_is_always_among_them() -> None:
    frames = dict.fromkeys(range(1, 30), "a")
    for count in range(1, 30):
        assert len(spread(frames, count)) == count
        assert 29 in spread(frames, count)
        assert count == 1 or 1 in spread(frames, count)


def test_a_damaged_picture_is_none(tmp_path: Path) -> None:
    whole = tmp_path / "whole.png"
    write_png(np.zeros((90, 90), np.uint8), whole)
    assert Picture.read(whole) is not None
    for name, content in {
        "cut": whole.read_bytes()[:-30], "text": b"no picture", "empty": b""
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
        assert Picture.read(tmp_path / name) is None
    (tmp_path / "folder.png").mkdir()
    assert Picture.read(tmp_path / "folder.png") is None
    assert Picture.read(tmp_path / "absent.png") is None


def test_a_large_picture_or_a_pipe_is_none(tmp_path: Path) -> None:
    Image.new("1", (10_000, 10_000)).save(tmp_path / "large.png")
    (tmp_path / "long.png").write_bytes(b"\x89PNG" + bytes(20 << 20))
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("/dev/zero")
    for path in tmp_path.iterdir():
        assert Picture.read(path) is None, path


def test_a_narrow_picture_is_made_lower(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20_000, 100), np.uint8)
    small = Picture.of(pixels).smaller(85, 2000)
    assert small is not None
    assert (small.kind, small.width, small.height) == ("webp", 30, 6000)


def test_a_picture_that_cannot_be_decoded_is_left_out_when_there_is_no_room() -> None:
    whole = noise(120, 0)
    place = whole.content.index(b"IDAT")
    length = int.from_bytes(whole.content[place - 4 : place])
    data = b"IDAT" + bytes(length)
    rest = whole.content[place + 8 + length :]
    broken = whole.content[:place] + data + zlib.crc32(data).to_bytes(4) + rest
    damaged = Picture(broken, "png", 120, 120)
    frames = {"samples": {1: whole, 2: damaged}}
    assert fitting(frames, 3 * whole.size) == frames, "a browser shows what it can"
    assert list(fitting(frames, whole.size)["samples"]) == [1]
