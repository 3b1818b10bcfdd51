"""Tensors among the fields of an ONNX file."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.exports.runtime.constant import MOST_READ
from gtk.exports.runtime.operators import Refused, check_type_of
from gtk.exports.runtime.tensor_types import NUMPY
from gtk.exports.runtime.wire_format import (
    Fields,
    Malformed,
    expect_type,
    field_number,
    varint,
    whole_numbers,
)

#: The most dimensions of a tensor.
MOST_DIMENSIONS = 16
#: The data types of 16-bit floats, and of whole numbers of 4 bits, two in a byte.
FLOAT16, FOUR_BITS = 10, {21, 22}
#: By data type: the bits of a tensor's element, and the field of numbers that may hold the elements
#: instead of field 9, which holds bytes.
ELEMENTS = {
    1: (32, 4), 2: (8, 5), 3: (8, 5), 4: (16, 5), 5: (16, 5), 6: (32, 5), 7: (64, 7), 9: (8, 5),
    10: (16, 5), 11: (64, 10), 12: (32, 11), 13: (64, 11), 21: (4, 5), 22: (4, 5),
}  # fmt: skip


def check_tensor(fields: Fields) -> int:
    """Return a tensor's data type.

    Raises:
        Refused: it has less or more data than its shape promises.
    """
    count, kind = math.prod(_dimensions(fields.get(1, []))), field_number(fields, 2)
    check_type_of(kind)
    typed, size = ELEMENTS[kind][1], tensor_bytes(kind, count)
    raw = sum(len(expect_type(memoryview, value)) for value in fields.get(9, []))
    numbers = size if kind in FOUR_BITS else count  # two in each
    if raw != size if 9 in fields else _count(fields.get(typed, []), typed) != numbers:
        raise Refused("a tensor with less or more data than its shape promises")
    return kind


def tensor_array(fields: Fields) -> tuple[int, tuple[int, ...], NDArray[Any] | None]:
    """Return a tensor's data type and shape, and the values of a small one."""
    kind, shape = field_number(fields, 2), tuple(_dimensions(fields.get(1, [])))
    count = math.prod(shape)
    check_type_of(kind)
    if count > MOST_READ or kind in FOUR_BITS:
        return kind, shape, None
    if 9 in fields:
        return kind, shape, np.frombuffer(fields[9][0], NUMPY[kind]).reshape(shape)
    typed = ELEMENTS[kind][1]
    values = fields.get(typed, [])
    if typed in (4, 10):
        array = np.frombuffer(b"".join(values), "<f4" if typed == 4 else "<f8")
    else:
        array = np.array(whole_numbers(values), np.int64)
    return kind, shape, array.reshape(shape)


def tensor_bytes(kind: int, count: int) -> int:
    """Return how many bytes a number of elements of a data type takes."""
    return -(-count * ELEMENTS[kind][0] // 8)


def _dimensions(values: list[Any]) -> list[int]:
    """Return a tensor's dimensions, which are fields of their own or packed into one."""
    numbers: list[int] = []
    for value in values:
        position, end = 0, 1 if isinstance(value, int) else len(value)
        while position < end:
            if len(numbers) == MOST_DIMENSIONS:
                raise Malformed("a tensor of too many dimensions")
            number, position = (value, 1) if isinstance(value, int) else varint(value, position)
            numbers.append(number)
    return numbers


def _count(values: list[Any], typed: int) -> int:
    """Return the number of elements in packed fields of a number."""
    if any(isinstance(value, int) for value in values):
        raise Malformed("numbers that are not packed")
    if typed in (4, 10):
        return sum(len(value) for value in values) // (4 if typed == 4 else 8)
    return sum(int(np.count_nonzero(np.frombuffer(value, np.uint8) < 128)) for value in values)
