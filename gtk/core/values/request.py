"""A request for images: their number and their condition."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.argument import is_whole, shown
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.text import counted

#: The most images in one call.
MOST_IMAGES = 1 << 31


def choose_labels(
    condition: ConditionSpec | None, labels: Sequence[Any] | None, count: int | None
) -> tuple[NDArray[Any] | None, int]:
    """Return the encoded condition of every image, and the number of images.

    Do not pass the result in again: a number that a user writes may be the name of a class.

    Args:
        condition: what the model is conditioned on, None for an unconditional model.
        labels: the condition of each image, as `ConditionSpec.encode` takes it; None cycles through
            `ConditionSpec.examples`, such as all classes.
        count: how many images; by default one for each label.

    Returns:
        (count,) int64 or (count, n) float32, and the count.

    Raises:
        InvalidValue: labels for an unconditional model, out of range, or not `count` of them.
    """
    if count is not None:
        check_count(count)
    if labels is not None and not is_list(labels):
        raise InvalidValue(
            f"labels must be a list with a label for each image, not {shown(labels)}"
        )
    if condition is None:
        if labels is not None:
            raise InvalidValue("this model takes no label: it was trained without a condition")
        return None, 1 if count is None else count
    if labels is None:
        rows = condition.cycle(count)
        return rows, len(rows)
    if not len(labels) or count not in (None, len(labels)):
        images = "no images" if count is None else counted(count, "image")
        raise InvalidValue(f"{counted(len(labels), 'label')} for {images}: give one for each")
    return np.stack([condition.encode(label) for label in labels]), len(labels)


def check_count(count: int) -> None:
    """Raise InvalidValue for a number of images that is not in 1..`MOST_IMAGES`."""
    check_at_least("count", count, 1)
    if count > MOST_IMAGES:
        raise InvalidValue(f"count must be at most {MOST_IMAGES}")


def check_at_least(name: str, value: int, least: int) -> None:
    """Raise InvalidValue for an argument that is not a whole number of at least `least`."""
    if not (is_whole(value) and value >= least):
        raise InvalidValue(f"{name} must be a whole number of at least {least}, not {shown(value)}")


def is_list(value: object) -> bool:
    """Return whether a value is a list or an array; strings, mappings and numbers are not."""
    scalar = getattr(value, "shape", None) == ()
    other = isinstance(value, str | bytes | bytearray | Mapping | Set)
    return hasattr(value, "__len__") and not other and not scalar
