"""`gtk animate --sampling`: noise that becomes images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import gtk

Command = Callable[..., Any]


def frames(path: str) -> NDArray[np.uint8]:
    """Return an animation's frames in grey: (F, H, W)."""
    found = []
    with Image.open(path) as image:
        for index in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(index)
            found.append(np.asarray(image.convert("L")))
    return np.array(found)


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("sampler", ["heun", "ancestral"])
def test_frames_go_from_noise_to_the_images_of_gtk_sample(
    gtk_command: Command, sampler: str
) -> None:
    run = gtk.train("flow", name="flow", width=16, depth=1, epochs=1, quiet=True)
    options = ["--sampler", sampler, "--steps", 3, "--seed", 5, "--out"]
    bare = ["--no-labels", "--scale", 1]
    result = gtk_command("animate", "flow", "--sampling", *bare, *options, "a.png")
    assert result.out.startswith("a.png: from noise to images, 4 frames, seed 5, by ")
    found = frames("a.png")
    assert found.shape == (4, 2 * 9 - 1, 10 * 9 - 1)
    gtk_command("sample", "flow", "--rows", 2, *bare, *options, "b.png")
    with Image.open("b.png") as image:
        assert abs(found[-1].astype(int) - np.asarray(image)).max() <= 1
    noise = run.load_model().noise.draw(1, seed=5)[0, 0]
    shown = np.rint(np.clip(noise / 2 + 0.5, 0, 1) * 255)
    assert abs(found[0, :8, :8] - shown).max() <= 1, "the noise, cut off at black and white"
    assert len({frame.tobytes() for frame in found}) == 4
    gtk_command("animate", "flow", "--sampling", *options, "c.gif")
    named = frames("c.gif")
    captions = {frame[:20].tobytes() for frame in named}
    assert len(captions) == 4, "each has its step"
    with Image.open("c.gif") as image:
        image.seek(3)
        assert image.info["duration"] == 6 * 125, "the last stays"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("small --sampling", "this sampler draws in one pass, so that there is nothing in between"),
        ("FILE --sampling", "is an exported file, which has no steps in between to show"),
        ("small --sampling --walk", "--sampling has a frame for each step of the sampler: leave"),
        ("small --sampling --frames 9", "leave --walk and --frames out"),
    ],
)
def test_what_has_no_steps_is_refused_in_one_line(
    small_run: gtk.Run, exported: Path, gtk_command: Command, line: str, message: str
) -> None:
    words = line.replace("FILE", str(exported)).split()
    result = gtk_command("animate", *words, "--runs", small_run.path.parent, "--out", "a.gif")
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not Path("a.gif").exists()
