"""What a user asks for when images are drawn: how many, and of which condition."""

import operator
from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.condition import ConditionSpec
from gtk.core.values.errors import InvalidValue


def choose_labels(
    condition: ConditionSpec | None, labels: Sequence[Any] | None, count: int | None
) -> tuple[NDArray[Any] | None, int]:
    """Return a label for every image, and how many images there are.

    What it returns is encoded, and must not go through here again: a number that a user writes may
    be the name of a class.

    Args:
        condition: what the model is conditioned on, None where it is not.
        labels: an image's condition each, as `ConditionSpec.encode` takes it; None cycles through
            `ConditionSpec.examples`: through the classes, where there are classes.
        count: how many images; by default one a label.

    Returns:
        (count,) int64 or (count, n) float32, and the count.

    Raises:
        InvalidValue: labels for a model that takes none, out of range, or not `count` of them.
    """
    if count is not None:
        check_at_least("count", count, 1)
    if labels is not None and not _is_list(labels):
        raise InvalidValue(f"labels is a list with a label for each image, not {labels!r}")
    if condition is None:
        if labels is not None:
            raise InvalidValue("this model takes no label: it was trained without a condition")
        return None, 1 if count is None else count
    if labels is None:
        rows = condition.cycle(count)
        return rows, len(rows)
    if not len(labels) or count not in (None, len(labels)):
        raise InvalidValue(f"{len(labels)} labels for {count or 'no'} images: give one for each")
    return np.stack([condition.encode(label) for label in labels]), len(labels)


def check_at_least(name: str, value: int, least: int) -> None:
    """Refuse what is no whole number, or less than `least`.

    Raises:
        InvalidValue: it names the argument.
    """
    try:
        fits = not isinstance(value, bool) and operator.index(value) >= least
    except TypeError:
        fits = False
    if not fits:
        raise InvalidValue(f"{name} must be a whole number of at least {least}, not {value!r}")


def _is_list(value: object) -> bool:
    """Say whether a value has rows: a list or an array, but no text, mapping or number."""
    scalar = getattr(value, "shape", None) == ()
    other = isinstance(value, str | bytes | bytearray | Mapping | Set)
    return hasattr(value, "__len__") and not other and not scalar
