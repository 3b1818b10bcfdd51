"""Which name is where, and that names from outside cannot do harm."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gtk.core.values.errors import InvalidValue
from gtk.pictures import text
from gtk.pictures.grid import image_grid
from gtk.pictures.labels import labelled_grid
from gtk.pictures.text import PAPER, draw_line, shorten, text_width


def noise(count: int, size: int, *channels: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, *channels), dtype=np.uint8)


def inked(margin: NDArray[np.uint8], axis: int) -> set[int]:
    """Return the pixels along an axis at which a margin has ink."""
    return set(np.flatnonzero((margin < PAPER).any(axis=1 - axis)).tolist())


@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("size", [8, 64])
def test_the_grid_is_the_unlabelled_one(size: int, channels: tuple[int, ...]) -> None:
    images = noise(6, size, *channels)
    grid = image_grid(images, 3)
    assert np.array_equal(labelled_grid(images, 3), grid)
    assert np.array_equal(labelled_grid(images, 3, column_names=["", "", ""]), grid)
    picture = labelled_grid(
        images, 3, column_names="abc", row_names="xy", column_title="c", row_title="r"
    )
    assert np.array_equal(picture[-grid.shape[0] :, -grid.shape[1] :], grid)
    assert (picture[: -grid.shape[0], : -grid.shape[1]] == PAPER).all(), "the corner is empty"


@pytest.mark.parametrize(
    "names", [("7", "8", "9"), ("a long name", "one more name", "yet another")]
)
@pytest.mark.parametrize("size", [8, 64])
@pytest.mark.parametrize("named", range(3))
def test_a_name_is_above_its_column(size: int, named: int, names: tuple[str, ...]) -> None:
    shown = [name if index == named else "" for index, name in enumerate(names)]
    grid = image_grid(noise(3, size), 3)
    picture = labelled_grid(noise(3, size), 3, column_names=shown)
    columns = inked(picture[: -grid.shape[0]], axis=1)
    pitch = (grid.shape[1] + 1) // 3 + 1
    assert columns
    assert columns <= set(range(named * pitch, (named + 1) * pitch))
    assert abs(sum(columns) / len(columns) - (named + 0.5) * pitch) < 6, "it is at the middle"


@pytest.mark.parametrize("named", range(3))
def test_a_name_is_left_of_its_row(named: int) -> None:
    names = [f"row {index}" if index == named else "" for index in range(3)]
    picture = labelled_grid(noise(3, 8), 1, row_names=names)
    assert picture.shape[0] == 3 * 72 - 8
    margin = picture[:, :-64]
    rows = inked(margin, axis=0)
    assert rows
    assert rows <= set(range(named * 72, named * 72 + 64))
    assert max(inked(margin, axis=1)) >= margin.shape[1] - 8, "it is next to the grid"


def test_names_are_upright_where_all_fit_and_else_read_upwards() -> None:
    upright = labelled_grid(noise(2, 8), 2, column_names=["one", "two"])
    turned = labelled_grid(noise(2, 8), 2, column_names=["one", "twenty thousand"])
    assert upright.shape[0] - 64 < 30
    line = np.rot90(draw_line("one", 14))
    assert turned.shape[0] - 64 > text_width("twenty thousand", 14)
    margin = turned[: turned.shape[0] - 64 - 4]
    left = (72 - line.shape[1]) // 2
    assert np.array_equal(margin[-line.shape[0] :, left : left + line.shape[1]], line)


def test_names_of_tiny_cells_do_not_overlap() -> None:
    names = [f"class {index}" for index in range(20)]
    picture = labelled_grid(noise(20, 8), 20, scale=1, column_names=names)
    starts = sorted(inked(picture[:-8], axis=1))
    assert sum(after - before > 1 for before, after in pairwise(starts)) == 9, "every second one"


def test_long_names_end_in_an_ellipsis() -> None:
    name = shorten("a name that does not end where one would like it to", 12, 100)
    assert name.endswith("...")
    assert name.startswith("a name")
    assert text_width(name, 12) <= 100
    assert shorten("short", 12, 100) == "short"
    assert shorten("x", 12, 1) == ""
    wide = labelled_grid(noise(1, 8), 1, row_names=["m" * 1000])
    assert wide.shape[1] < 300


def test_only_what_can_be_printed_is_drawn() -> None:
    plain, wild = (
        labelled_grid(noise(1, 8), 1, row_names=[name]) for name in (r"a\x1bb\n", "a\x1bb\n")
    )
    assert np.array_equal(plain, wild)


def test_a_picture_too_large_with_its_names_is_refused() -> None:
    images = np.zeros((1, 9_999, 9_999), np.uint8)
    assert image_grid(images, 1, scale=1).shape == (9_999, 9_999)
    with pytest.raises(InvalidValue, match="the picture would have 10,0"):
        labelled_grid(images, 1, scale=1, row_names=["name"])


def test_without_matplotlib_there_is_another_font(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "find_spec", lambda name: None)
    text.load_font.cache_clear()
    picture = labelled_grid(noise(2, 8), 2, column_names=["", "Ägypten"])
    text.load_font.cache_clear()
    assert inked(picture[:-64], axis=1) <= set(range(72, 136))
    assert inked(picture[:-64], axis=1)


def test_finding_the_font_does_not_import_matplotlib() -> None:
    code = (
        "import sys; from gtk.pictures.text import load_font; font = load_font(12); "
        "print(Path(font.path).name, 'matplotlib' in sys.modules)"
    )
    command = [sys.executable, "-c", f"from pathlib import Path; {code}"]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert result.stdout == f"{Path('DejaVuSans.ttf')} False\n"


def test_a_name_of_millions_of_letters_is_cut(tmp_path: Path) -> None:
    name = "a name " * 200_000
    assert shorten(name, 12, 200).startswith("a name a name")
    assert text_width(shorten(name, 12, 200), 12) <= 200
    long = labelled_grid(noise(2, 8), 2, column_names=[name, "b"], row_names=[name])
    short = labelled_grid(noise(2, 8), 2, column_names=[name[:900], "b"], row_names=[name[:900]])
    np.testing.assert_array_equal(long, short)
