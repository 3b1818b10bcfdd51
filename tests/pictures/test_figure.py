"""The same figure gives the same file."""

from pathlib import Path

import numpy as np
from PIL import Image

from gtk.pictures.figure import new_figure, write_figure


def test_the_same_figure_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        figure = new_figure(3, 2)
        figure.add_subplot().plot([1, 2], [3, 4])
        write_figure(figure, tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert first == second
    assert b"matplotlib" not in first, "the drawing program's version is no part of the picture"
    assert np.asarray(Image.open(tmp_path / "a.png")).shape[:2] == (200, 300)


def test_letters_that_the_font_lacks_are_no_reason_to_warn(tmp_path: Path) -> None:
    figure = new_figure(3, 2)
    figure.add_subplot().set_title("猫")
    write_figure(figure, tmp_path / "a.png")  # pytest makes every warning an error
    assert (tmp_path / "a.png").exists()
