"""The picture and the table of the classes that a judge sees."""

import re
from typing import Any

import numpy as np
import pytest

from gtk.pictures.confusion import CELL, DARKEST, LIGHTEST, MOST_CLASSES, MOST_LETTERS, Confusion
from gtk.pictures.page import templates

#: Of 200 cats 150 are seen as cats; of 4 dogs all; of birds none were asked for, but one is seen.
DETAILS: dict[str, Any] = {
    "classes": {"cat": 0.75, "dog": 1.0},
    "confusion": [[150, 49, 1], [0, 4, 0], [0, 0, 0]],
    "names": ["cat", "dog", "bird"],
}


def confusion(details: dict[str, Any] = DETAILS) -> Confusion:
    found = Confusion.of(details)
    assert found is not None
    return found


def figure(drawn: Confusion) -> str:
    """Return the picture as a page has it."""
    module: Any = templates().get_template("confusion.html").module
    return str(module.confusion_figure(drawn))


def test_rows_are_asked_for_and_columns_seen() -> None:
    drawn = confusion()
    box = drawn.box
    found = {
        ((cell.y - box.top) // CELL, (cell.x - box.left) // CELL): cell for cell in drawn.cells()
    }
    texts = {place: (cell.style, cell.text) for place, cell in found.items()}
    assert texts == {
        (0, 0): ("right", "75"), (0, 1): ("wrong", "24"), (0, 2): ("wrong", "0.5"),
        (1, 1): ("right", "100"),
    }  # fmt: skip
    assert found[0, 1].title == "cat asked for, dog seen: 49 of 200 images"
    assert found[1, 1].opacity == DARKEST
    assert found[0, 0].opacity == pytest.approx(
        LIGHTEST + (DARKEST - LIGHTEST) * 0.75**0.5, abs=1e-3
    )


def test_the_picture_has_a_square_with_its_number_for_each_cell() -> None:
    text = figure(confusion())
    squares = re.findall(
        r'<rect x="(\d+)" y="(\d+)" width="34" height="34" fill="currentColor" '
        r'fill-opacity="([\d.]+)"/><text [^>]*>([\d.]+)</text>',
        text,
    )
    assert [square[3] for square in squares] == ["75", "24", "0.5", "100"]
    xs, ys = ([int(square[at]) for square in squares] for at in (0, 1))
    assert np.diff(xs).tolist() == [CELL, CELL, -CELL], "columns of cat, dog, bird, dog"
    assert np.diff(ys).tolist() == [0, 0, CELL]
    assert text.count(">bird</text>") == 2, "beside the rows and above the columns"


def test_only_all_images_are_100_percent_and_only_none_are_0() -> None:
    drawn = confusion({"classes": {"a": 0.9, "b": 0}, "confusion": [[99_999, 1], [8, 0]]})
    assert [cell.text for cell in drawn.cells()] == ["99.9", "0.1", "100"]


def test_the_table_has_the_worst_class_first_and_what_it_is_taken_for() -> None:
    assert confusion().table == [
        ["cat", "75.00%", "150 of 200", "dog (24.50%)"],
        ["dog", "100.00%", "4 of 4", ""],
    ]
    assert [result.name for result in confusion().worst(1)] == ["cat"]


def test_of_many_classes_the_table_has_the_worst() -> None:
    counts = np.diag(np.full(50, 10))
    counts[33] = np.eye(50, dtype=np.int64)[7] * 10
    names = [f"class {at}" for at in range(50)]
    drawn = confusion({"classes": dict.fromkeys(names, 1.0), "confusion": counts.tolist()})
    assert not drawn.drawn
    assert len(drawn.table) == MOST_CLASSES
    assert drawn.table[0] == ["class 33", "0.00%", "0 of 10", "class 7 (100.00%)"]


def test_names_fit_beside_the_rows_and_above_the_columns() -> None:
    names = ["a very long name of a class", "狗狗狗狗狗狗狗狗狗狗", "\x1b[2J"]
    details = {"classes": {}, "confusion": np.eye(3, dtype=np.int64).tolist(), "names": names}
    drawn = confusion(details)
    assert drawn.short_names == ["a very long…", "狗狗狗狗狗…", r"\x1b[2J"]
    assert len(drawn.short_names[0]) == MOST_LETTERS
    assert not drawn.upright
    assert "rotate(-90)" in figure(drawn)
    assert "\x1b" not in figure(drawn)
    assert confusion().upright


@pytest.mark.parametrize(
    "change",
    [
        {"confusion": [[1, 0], [0, 1]]}, {"confusion": [[1], [0, 1], [0, 0, 1]]},
        {"confusion": []}, {"confusion": [[-1, 0, 0]] * 3}, {"confusion": [[0.5, 0, 0]] * 3},
        {"confusion": [[2**62, 2**62, 2**62]] * 3}, {"confusion": [[0, 0, 0]] * 3},
        {"confusion": "many"}, {"names": ["a"]}, {"names": 3}, {"names": ["a", "b", None]},
        {"classes": None},
    ],
)  # fmt: skip
def test_damaged_counts_are_not_shown(change: dict[str, Any]) -> None:
    assert Confusion.of(DETAILS | change) is None


def test_details_of_other_metrics_are_not_shown() -> None:
    assert Confusion.of({}) is None
    assert Confusion.of({"classes": {"a": 1.0}}) is None
    # As an older version wrote them, where a class that was not asked for has no name.
    assert Confusion.of({name: DETAILS[name] for name in ("classes", "confusion")}) is None
