"""Conditions and labels made from the values that a user gives for the images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.condition import Attributes, Classes, ConditionSpec, Numbers
from gtk.core.values.errors import InvalidValue

#: The value of one image: the name of its class, or its attributes or numbers.
Value = str | tuple[float, ...]


def make_labels(
    kind: type[ConditionSpec] | None,
    columns: tuple[str, ...],
    values: Sequence[Value] | NDArray[Any],
    where: str,
) -> tuple[ConditionSpec | None, NDArray[Any]]:
    """Return the condition and every image's label; None and zeros for a single class.

    Args:
        kind: `Classes`, `Attributes` or `Numbers`; None for images without values.
        columns: names of the attributes or numbers.
        values: one for each image.
        where: their source, for messages.

    Raises:
        InvalidValue: a number is the same for all images, or not a finite float32.
    """
    if kind is None or kind is Classes:
        names = sorted({str(value) for value in values}) if kind else []
        if len(names) < 2:
            return None, np.zeros(len(values), np.int64)
        labels = {name: label for label, name in enumerate(names)}
        return Classes(tuple(names)), np.array([labels[str(value)] for value in values], np.int64)
    with np.errstate(over="ignore"):
        numbers = np.array(values, np.float64).astype(np.float32)
    if kind is Attributes:
        return Attributes(columns), numbers
    ranges = tuple(zip(numbers.min(axis=0).tolist(), numbers.max(axis=0).tolist(), strict=True))
    for name, (low, high) in zip(columns, ranges, strict=True):
        if not np.isfinite([low, high]).all():
            raise InvalidValue(f"{where}: {name} has a number that is not finite: correct it")
        if low == high:
            raise InvalidValue(
                f"{where}: {name} is {low:g} for all images, so it cannot be learned: leave it out"
            )
    return Numbers(columns, ranges=ranges), numbers
