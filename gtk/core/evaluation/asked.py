"""What generated images are asked for, and what that is among the data's conditions."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.classes import Classes
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset, Split
from gtk.core.values.seeding import derive_seed

Rows = NDArray[Any] | None


def random_rows(count: int) -> NDArray[np.int64]:
    """Return the numbers of so many rows in a random order that is always the same."""
    return np.random.default_rng(derive_seed(0, "evaluate")).permutation(count)


def asked_for(own: ConditionSpec | None, data: Dataset, count: int) -> tuple[Rows, Rows]:
    """Return the condition of each of `count` images, and what it is among the data's, or None.

    A model of the data's condition is asked for those of the test images, in a random order that
    is always the same, again and again: so classes and numbers are as frequent as they are among
    real images, without which distances from these would say little.

    Args:
        own: what the model is conditioned on, None where it is not.
        data: what the images are compared with.
        count: of the images.
    """
    if own is None:
        return None, None
    if is_same(own, data.spec.condition):
        rows = _resized(data.test, count)
        return rows, rows
    rows, among = own.cycle(count), class_numbers(own, data.spec.condition)
    return rows, None if among is None else among[rows]


def is_same(own: ConditionSpec | None, known: ConditionSpec | None) -> bool:
    """Return whether a condition is the data's, whether or not it may be absent."""
    return own is not None and known is not None and replace(own, nullable=False) == known


def class_numbers(
    own: ConditionSpec | None, known: ConditionSpec | None
) -> NDArray[np.int64] | None:
    """Return the number of each class among the data's, by name; None if one is not among them."""
    if not isinstance(own, Classes) or not isinstance(known, Classes):
        return None
    numbers = {name: number for number, name in enumerate(known.names)}
    if not set(own.names) <= set(numbers):
        return None
    return np.array([numbers[name] for name in own.names], np.int64)


def _resized(split: Split, count: int) -> NDArray[Any]:
    """Return labels of a split in a random order, again and again, (count, ...)."""
    order = random_rows(len(split))
    return split.labels[np.resize(order, count)]
