"""Labels for a model, made of the values that a user gives for the images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.condition import ConditionSpec, Kind
from gtk.core.values.errors import InvalidValue

#: The value of one image: the name of its class, or its attributes or numbers.
Value = str | tuple[float, ...]


def make_labels(
    kind: Kind | None, columns: tuple[str, ...], values: Sequence[Value] | NDArray[Any], where: str
) -> tuple[ConditionSpec | None, NDArray[Any]]:
    """Return the condition and every image's label.

    Args:
        kind: of the values, None where images have none.
        columns: names of the attributes or numbers.
        values: one an image.
        where: they come from, for messages.

    Returns:
        None and zeros where the values do not differ, as with a single class.

    Raises:
        InvalidValue: a number is the same for all images, or not a finite float32.
    """
    if kind == "classes":
        names = sorted({str(value) for value in values})
        if len(names) > 1:
            labels = {name: label for label, name in enumerate(names)}
            found = np.array([labels[str(value)] for value in values], dtype=np.int64)
            return ConditionSpec(tuple(names)), found
    if kind in (None, "classes"):
        return None, np.zeros(len(values), dtype=np.int64)
    with np.errstate(over="ignore"):
        numbers = np.array(values, dtype=np.float64).astype(np.float32)
    if kind == "attributes":
        return ConditionSpec(columns, "attributes"), numbers
    return ConditionSpec(columns, "continuous", _ranges(columns, numbers, where)), numbers


def _ranges(
    columns: tuple[str, ...], numbers: NDArray[np.float32], where: str
) -> tuple[tuple[float, float], ...]:
    """Return the lowest and the highest of each column."""
    ranges = []
    for name, column in zip(columns, numbers.T, strict=True):
        low, high = float(column.min()), float(column.max())
        if not np.isfinite([low, high]).all():
            raise InvalidValue(f"{where}: {name} has a number that is not finite: correct it")
        if low == high:
            raise InvalidValue(
                f"{where}: {name} is {low:g} for all images, so it cannot be learned: leave it out"
            )
        ranges.append((low, high))
    return tuple(ranges)
