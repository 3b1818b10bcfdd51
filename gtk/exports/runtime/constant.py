"""A tensor that depends on no input of its graph."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.exports.runtime.operators import Node, Refused

#: The most axes of a tensor that is made of constants.
MOST_AXES = 32
#: The most elements of a constant whose values are looked at.
MOST_READ = 1 << 12
#: The sizes of a tensor's axes, None where they are not known.
Shape = tuple[int, ...] | None


@dataclass(frozen=True)
class Constant:
    """A tensor that depends on no input.

    Attributes:
        size: at least the number of its elements, an axis of 0 counted as 1.
        shape: its axes, None where only the size is known.
        values: of a small tensor that stands in the file, else None.
    """

    size: int
    shape: Shape = None
    values: NDArray[Any] | None = None


def of_shape(shape: Sequence[int], values: NDArray[Any] | None = None) -> Constant:
    """Return a constant of a known shape.

    Raises:
        Refused: it has too many axes.
    """
    if len(shape) > MOST_AXES:
        raise Refused(f"a tensor of more than {MOST_AXES} axes")
    return Constant(math.prod(max(axis, 1) for axis in shape), tuple(shape), values)


def constant_of(node: Node) -> Constant:
    """Return what a node Constant gives.

    Raises:
        Refused: it has several values, or one of another kind.
    """
    if len(node.attributes) != 1:
        raise Refused("a Constant of several values")
    ((name, value),) = node.attributes.items()
    if name == "value" and isinstance(value, tuple):
        _, shape, values = value
        return of_shape(shape, values)
    if name in ("value_int", "value_ints") and isinstance(value, int | list):
        array = np.array(value, np.int64)
        return of_shape(array.shape, array)
    if name in ("value_float", "value_floats"):
        return Constant(max(1, len(value) // 4))
    raise Refused(f"a Constant of {name[:100]!r}")
