"""Protobuf's wire format: the fields of a message, as they lie in its bytes."""

from typing import Any

import numpy as np

from gtk.exports.runtime.constant import MOST_READ

#: The longest manifest, in bytes.
LONGEST_CONTRACT = 1 << 22
#: The fields of a message, by number: numbers where they are varints, else bytes.
Fields = dict[int, list[Any]]


class Malformed(Exception):
    """The bytes are not protobuf messages of ONNX."""


def varint(data: memoryview, position: int) -> tuple[int, int]:
    """Return an unsigned number of up to 64 bits, and the position behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise Malformed("it ends too early")
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (1 << 64) - 1, position
    raise Malformed("a number of more than 64 bits")


def expect_type(kind: type, value: Any) -> Any:  # noqa: ANN401 - returns what it is given
    """Return a field's value, which must have been written as numbers or as bytes are."""
    if not isinstance(value, kind):
        raise Malformed("a field of a wrong type")
    return value


def field_number(fields: Fields, number: int) -> int:
    """Return a field's number, 0 where the field is absent."""
    found: int = expect_type(int, fields.get(number, [0])[0])
    return found


def field_bytes(fields: Fields, number: int) -> memoryview:
    """Return a field's bytes, none where the field is absent."""
    data: memoryview = expect_type(memoryview, fields.get(number, [memoryview(b"")])[0])
    return data


def field_text(fields: Fields, number: int) -> str:
    """Return a field's text, empty where the field is absent."""
    return _decoded(field_bytes(fields, number))


def field_texts(fields: Fields, number: int) -> tuple[str, ...]:
    """Return a repeated field's strings."""
    return tuple(_decoded(expect_type(memoryview, value)) for value in fields.get(number, []))


def _decoded(data: memoryview) -> str:
    if len(data) > LONGEST_CONTRACT:
        raise Malformed("a string that is too long")
    try:
        return bytes(data).decode()
    except UnicodeDecodeError as error:
        raise Malformed("a string that is not valid UTF-8") from error


def whole_numbers(values: list[Any]) -> list[int]:
    """Return whole numbers with a sign, which are fields of their own or packed into one."""
    found: list[int] = []
    for value in values:
        found += [signed(value)] if isinstance(value, int) else _unpacked(value)
    return found


def _unpacked(data: memoryview) -> list[int]:
    """Return the varints of a packed field with their sign; `varint` would take minutes."""
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw < 128)
    if len(ends) > MOST_READ:
        raise Malformed("a list of too many numbers")
    if len(raw) == 0:
        return []
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    lengths = ends - starts + 1
    if len(ends) == 0 or ends[-1] != len(raw) - 1 or lengths.max() > 10:
        raise Malformed("it ends too early")
    shifts = 7 * (np.arange(len(raw)) - np.repeat(starts, lengths))
    parts = (raw & 127).astype(np.uint64) << shifts.astype(np.uint64)
    values: list[int] = np.add.reduceat(parts, starts).view(np.int64).tolist()
    return values


def signed(number: int) -> int:
    """Return a varint as a number with a sign."""
    return number - (1 << 64) if number >> 63 else number
