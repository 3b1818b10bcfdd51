"""What images are asked for, and what that is among the data's conditions."""

from collections import Counter

import numpy as np

import gtk
from gtk.core.evaluation.asked import asked_for, class_numbers

CLASSES = gtk.Classes(("a", "b", "c"))


def data(condition: gtk.ConditionSpec | None, labels: np.ndarray) -> gtk.Dataset:
    split = gtk.Split(np.zeros((len(labels), 1, 2, 2), np.uint8), labels)
    return gtk.Dataset(gtk.DataSpec("toy", 1, 2, 2, condition), split, split)


def test_classes_are_as_frequent_as_among_test_images() -> None:
    labels = np.repeat(np.arange(3), [80, 15, 5])
    asked, among = asked_for(CLASSES.with_absent(), data(CLASSES, labels), 1000)
    assert asked is not None
    assert asked is among
    assert Counter(asked.tolist()) == {0: 800, 1: 150, 2: 50}
    assert Counter(asked[:100].tolist()) == {0: 80, 1: 15, 2: 5}
    assert asked.tolist() != sorted(asked.tolist())
    again, _ = asked_for(CLASSES, data(CLASSES, labels), 1000)
    assert again is not None
    assert np.array_equal(again, asked)


def test_numbers_are_those_of_test_images() -> None:
    numbers = gtk.Numbers(("x", "y"), ranges=((0.0, 1.0), (0.0, 9.0)))
    rows = np.array([[0.1, 8], [0.2, 3]], np.float32)
    asked, among = asked_for(numbers, data(numbers, rows), 4)
    assert asked is not None
    assert asked is among
    assert sorted(map(tuple, asked.tolist())) == sorted(map(tuple, [*rows.tolist()] * 2))


def test_classes_of_another_order_are_found_by_name() -> None:
    own = gtk.Classes(("c", "a"))
    asked, among = asked_for(own, data(CLASSES, np.arange(3)), 4)
    assert asked is not None
    assert among is not None
    assert [own.names[label] for label in asked] == [CLASSES.names[label] for label in among]
    assert class_numbers(gtk.Classes(("a", "d")), CLASSES) is None
    assert class_numbers(own, None) is None


def test_what_the_data_lack_is_asked_for_and_not_judged() -> None:
    asked, among = asked_for(gtk.Classes(("cat", "dog")), data(CLASSES, np.arange(3)), 4)
    assert asked is not None
    assert asked.tolist() == [0, 1, 0, 1]
    assert among is None
    assert asked_for(None, data(CLASSES, np.arange(3)), 4) == (None, None)
