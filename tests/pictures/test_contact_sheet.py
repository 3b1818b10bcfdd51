"""Contact sheets: which image is in which cell."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Split
from gtk.pictures.contact_sheet import ContactSheet, make_contact_sheet

CLASSES = ConditionSpec(("ones", "tens", "none"))


def numbered(count: int, channels: int = 1) -> NDArray[np.uint8]:
    """Return images of 2x3 pixels that are as grey as their number."""
    levels = np.arange(count, dtype=np.uint8)[:, None, None, None]
    return levels + np.zeros((1, channels, 2, 3), np.uint8)


def cells(sheet: ContactSheet) -> list[list[int]]:
    """Return the number of the image in each cell, by row."""
    assert sheet.images.shape[1:3] == (2, 3)
    flat = sheet.images.reshape(len(sheet.images), -1)
    assert (flat == flat[:, :1]).all()
    return flat[:, 0].reshape(-1, sheet.columns).tolist()


def test_each_class_has_a_row_and_no_image_is_shown_twice() -> None:
    labels = np.array([0, 1] * 10)
    sheet = make_contact_sheet(Split(numbered(20), labels), CLASSES, 4, seed=0)
    first, second, third = cells(sheet)
    assert all(number % 2 == 0 for number in first)
    assert all(number % 2 == 1 for number in second)
    assert len({*first, *second}) == 8
    assert third == [128] * 4, "there is no image of it"
    assert sheet.row_names == CLASSES.names
    assert sheet.shown == "a row for each of 3 classes, in their order"


def test_a_class_with_few_images_leaves_cells_grey() -> None:
    labels = np.array([0, 0, 1, 2, 2])
    sheet = make_contact_sheet(Split(numbered(5), labels), CLASSES, 3, seed=1)
    assert [sorted(row) for row in cells(sheet)] == [[0, 1, 128], [2, 128, 128], [3, 4, 128]]
    assert cells(sheet)[1] == [2, 128, 128]


def test_the_seed_decides_and_more_columns_add_to_the_end() -> None:
    split = Split(numbered(100), np.arange(100) % 2)
    spec = ConditionSpec(("even", "odd"))
    four, eight = (cells(make_contact_sheet(split, spec, n, seed=3)) for n in (4, 8))
    assert [row[:4] for row in eight] == four
    assert cells(make_contact_sheet(split, spec, 4, seed=4)) != four


def test_of_many_classes_the_first_twenty_are_shown() -> None:
    spec = ConditionSpec(tuple(f"class {index}" for index in range(47)))
    sheet = make_contact_sheet(Split(numbered(94), np.arange(94) % 47), spec, 2, seed=0)
    assert [sorted(row) for row in cells(sheet)] == [[index, index + 47] for index in range(20)]
    assert sheet.row_names == spec.names[:20]
    assert sheet.shown == "a row for each of the first 20 of 47 classes, in their order"


def test_an_attributes_row_has_images_that_have_it() -> None:
    spec = ConditionSpec(("large", "red"), "attributes")
    labels = np.array([[1, 0], [1, 1], [0, 1], [0, 0]], np.float32)
    sheet = make_contact_sheet(Split(numbered(4), labels), spec, 2, seed=0)
    assert [sorted(row) for row in cells(sheet)] == [[0, 1], [1, 2]]


def test_a_numbers_row_goes_from_its_lowest_to_its_highest() -> None:
    spec = ConditionSpec(("angle", "size"), "continuous", ((0, 9), (0, 90)))
    labels = np.stack([np.arange(9), 90 - 10 * np.arange(9)], axis=1).astype(np.float32)
    sheet = make_contact_sheet(Split(numbered(9), labels), spec, 3, seed=0)
    assert cells(sheet) == [[0, 4, 8], [8, 4, 0]]


@pytest.mark.parametrize("count", [0, 5, 100])
def test_without_a_condition_images_are_shown_at_random(count: int) -> None:
    split = Split(numbered(count), np.zeros(count, np.int64))
    shown = [n for row in cells(make_contact_sheet(split, None, 3, seed=0)) for n in row]
    assert len({*shown} - {128}) == min(count, 9)


def test_colour_stays() -> None:
    images = numbered(2, channels=3)
    images[:, 1] = 7
    sheet = make_contact_sheet(Split(images, np.zeros(2, np.int64)), None, 2, seed=0)
    assert sheet.images.shape == (2, 2, 3, 3)
    assert sheet.images[:, 0, 0, 1].tolist() == [7, 7]
    assert sorted(sheet.images[:, 0, 0, 2].tolist()) == [0, 1]
