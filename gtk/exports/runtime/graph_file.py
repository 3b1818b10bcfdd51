"""Check the bytes of an ONNX file before onnxruntime reads them, and the files that they name."""

import math
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gtk.core.values.argument import check_type
from gtk.exports.runtime.errors import ExportFileError, requested

#: The largest file that is read, in bytes.
LARGEST_FILE = 1 << 30
#: The longest manifest, in bytes.
LONGEST_CONTRACT = 1 << 22
#: The most dimensions of a tensor.
MOST_DIMENSIONS = 16
#: The most nodes in a graph: onnxruntime's own look at a graph takes the square of their number.
MOST_NODES = 5_000
#: The most protobuf fields in a file: hundreds of times what gtk writes, still read in a moment.
MOST_FIELDS = 100_000


def read(path: Path) -> bytes:
    """Return the bytes of a file of at most `LARGEST_FILE` bytes."""
    content = b""
    try:
        status = path.stat()
        is_file, size = stat.S_ISREG(status.st_mode), status.st_size
        if is_file and size <= LARGEST_FILE:
            with path.open("rb") as file:
                content = file.read(size)  # a larger number would be set aside in memory
    except OSError as error:
        raise ExportFileError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # a name that no file can have
        raise ExportFileError(f"{str(path)!r} cannot be read: {error}") from error
    if not is_file:
        raise ExportFileError(
            f"{path} is a folder, a pipe or a device, not a file. Make one: gtk export RUN"
        )
    if size > LARGEST_FILE:
        raise ExportFileError(
            f"{path} has {size} bytes: files of more than {LARGEST_FILE} are not read"
        )
    return content


@dataclass(frozen=True)
class GraphFacts:
    """What a graph consists of.

    Attributes:
        operators: how many nodes there are of each type.
        opsets: the version of each domain's operators; "" is ONNX's own domain.
        parameter_bytes: of all constant tensors.
        precision: "int8" with quantized operators, "fp16" with 16-bit floats, else "fp32".
    """

    operators: dict[str, int]
    opsets: dict[str, int]
    parameter_bytes: int
    precision: str


def scan(content: bytes) -> GraphFacts:
    """Walk through the bytes of an ONNX file and refuse what gtk never writes.

    onnxruntime reads other files that a graph names, even if it is given bytes, so these are
    refused first. Nothing is executed, and the onnx package is not needed.

    Raises:
        ExportFileError: the bytes are not an ONNX file, or hold external data, subgraphs,
            functions, operators of other domains or random ones, or tensors whose data do not fit
            their shape.
        RequestError: the content is not bytes.
    """
    with requested():
        check_type("content", content, bytes)
    return walk(content, "the file").facts()


#: What the walk does with each field of a protobuf message, by its number in onnx.proto: None skips
#: the field, the name of a message walks into it, any other text is what the file is refused for.
_EXTERNAL = "data outside of the file"
_SPARSE = "sparse tensors"
_SUBGRAPH = "graphs within its graph"
_TYPES = "types as attributes"
MESSAGES: dict[str, dict[int, str | None]] = {
    "model": {
        1: None, 2: None, 3: None, 4: None, 5: None, 6: None, 7: "graph", 8: "opset", 14: "entry",
        20: "training information", 25: "functions of its own", 26: "a device configuration",
    },
    "graph": {
        1: "node", 2: None, 5: "tensor", 10: None, 11: None, 12: None, 13: None,
        14: "quantization annotations", 15: _SPARSE, 16: None,
    },
    "node": {
        1: None, 2: None, 3: None, 4: None, 5: "attribute", 6: None, 7: None,
        8: "overloaded functions", 9: None, 10: "a device configuration",
    },
    "attribute": {
        1: None, 2: None, 3: None, 4: None, 5: "tensor", 6: _SUBGRAPH, 7: None, 8: None, 9: None,
        10: "tensor", 11: _SUBGRAPH, 13: None, 14: _TYPES, 15: _TYPES, 20: None,
        21: "attributes of functions", 22: _SPARSE, 23: _SPARSE,
    },
    "tensor": {
        1: None, 2: None, 3: "segments of tensors", 4: None, 5: None, 6: "tensors of text", 7: None,
        8: None, 9: None, 10: None, 11: None, 12: None, 13: _EXTERNAL, 14: None, 16: None,
    },
    "opset": {1: None, 2: None},
    "entry": {1: None, 2: None},
}  # fmt: skip
#: The fields that may occur more than once; protobuf would merge two of any other.
REPEATED = {
    "model": {8, 14}, "graph": {1, 5, 11, 12, 13, 16}, "node": {1, 2, 5, 9},
    "attribute": {7, 8, 9, 10}, "tensor": {1, 4, 5, 7, 10, 11, 16}, "opset": set(), "entry": set(),
}  # fmt: skip
#: By data type: the bits of a tensor's element, and the field of numbers that may hold the elements
#: instead of field 9, which holds bytes.
ELEMENTS = {
    1: (32, 4), 2: (8, 5), 3: (8, 5), 4: (16, 5), 5: (16, 5), 6: (32, 5), 7: (64, 7), 9: (8, 5),
    10: (16, 5), 11: (64, 10), 12: (32, 11), 13: (64, 11),
}  # fmt: skip
#: The operators of ONNX that draw random numbers.
RANDOM = {
    "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial",
    "Bernoulli",
}  # fmt: skip

#: The operators of ONNX that compute with quantized numbers.
QUANTIZED = {
    "ConvInteger", "DequantizeLinear", "MatMulInteger", "QLinearConv", "QLinearMatMul",
}  # fmt: skip
#: The data type of 16-bit floats.
FLOAT16 = 10

#: The fields of a message, by number: numbers where they are varints, else bytes.
_Fields = dict[int, list[Any]]


class _Malformed(Exception):
    """The bytes are not protobuf messages of ONNX."""


class _Refused(Exception):
    """The file holds what gtk never writes."""


@dataclass
class _Walk:
    """What the walk through a file has found so far."""

    operators: Counter[str] = field(default_factory=Counter)
    opsets: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    parameter_bytes: int = 0
    halved: bool = False
    fields: int = 0

    def facts(self) -> GraphFacts:
        """Return what users see."""
        return GraphFacts(
            dict(self.operators), self.opsets, self.parameter_bytes, self._precision()
        )

    def _precision(self) -> str:
        if self.operators.keys() & QUANTIZED:
            return "int8"
        return "fp16" if self.halved else "fp32"

    def message(self, kind: str, data: memoryview) -> _Fields:
        """Walk through a message and all messages in it, and return its fields."""
        fields: _Fields = {}
        for number, value in self._fields(data):
            if number not in MESSAGES[kind]:
                raise _Malformed(f"an unknown field {number} of a {kind}")
            if number in fields and number not in REPEATED[kind]:
                raise _Malformed(f"two fields {number} of a {kind}")
            rule = MESSAGES[kind][number]
            if rule is not None and rule not in MESSAGES:
                raise _Refused(rule)
            if rule is not None:
                self.message(rule, _expect(memoryview, value))
            fields.setdefault(number, []).append(value)
        finish = {
            "node": self._node, "opset": self._opset, "entry": self._entry, "tensor": self._tensor,
        }.get(kind)  # fmt: skip
        if finish is not None:
            finish(fields)
        return fields

    def _fields(self, data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
        """Yield number and value of each field: a varint as a number, any other field as bytes."""
        position = 0
        while position < len(data):
            self.fields += 1
            if self.fields > MOST_FIELDS:
                raise _Malformed(f"more than {MOST_FIELDS} fields")
            key, position = varint(data, position)
            number, kind = key >> 3, key & 7
            if kind == 0:
                value, position = varint(data, position)
                yield number, value
                continue
            if kind == 2:
                size, position = varint(data, position)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
            else:
                raise _Malformed("bytes that are not fields of ONNX")
            if size > len(data) - position:
                raise _Malformed("it ends too early")
            yield number, data[position : position + size]
            position += size

    def _node(self, fields: _Fields) -> None:
        name = _text(fields, 4)
        _check_domain(_text(fields, 7))
        if name in RANDOM:
            raise _Refused(f"the random operator {name}")
        self.operators[name] += 1
        if self.operators.total() > MOST_NODES:
            raise _Refused(f"more than {MOST_NODES} nodes")

    def _opset(self, fields: _Fields) -> None:
        _check_domain(_text(fields, 1))
        if self.opsets:
            raise _Malformed("two versions of the operators")
        self.opsets[""] = _number(fields, 2)

    def _entry(self, fields: _Fields) -> None:
        key = _text(fields, 1)
        if key in self.metadata:
            raise _Malformed(f"two entries {key[:100]!r}")
        self.metadata[key] = _text(fields, 2)

    def _tensor(self, fields: _Fields) -> None:
        if _number(fields, 14) != 0:
            raise _Refused(_EXTERNAL)
        count = math.prod(_dimensions(fields.get(1, [])))
        bits, typed = ELEMENTS.get(_number(fields, 2), (0, 0))
        if not bits:
            raise _Refused(f"tensors of data type {_number(fields, 2)}")
        size = count * bits // 8
        raw = sum(len(_expect(memoryview, value)) for value in fields.get(9, []))
        if raw != size and _count(fields.get(typed, []), typed) != count:
            raise _Refused("a tensor with less or more data than its shape promises")
        self.parameter_bytes += size
        self.halved |= _number(fields, 2) == FLOAT16


def walk(content: bytes, path: str) -> _Walk:
    """Walk through a file and return what was found.

    Raises:
        ExportFileError: as in `scan`; the message names `path`.
    """
    found = _Walk()
    try:
        has_graph = 7 in found.message("model", memoryview(content))
    except _Malformed as error:
        raise ExportFileError(
            f"{path} is not an ONNX file, or is damaged: {error}. Make one: gtk export RUN"
        ) from error
    except _Refused as error:
        raise ExportFileError(
            f"{path} is refused: it holds {error}, which gtk never writes. Make one: gtk export RUN"
        ) from error
    if not (has_graph and found.opsets):
        raise ExportFileError(
            f"{path} is not an ONNX file: it has no graph. Make one: gtk export RUN"
        )
    return found


def varint(data: memoryview, position: int) -> tuple[int, int]:
    """Return an unsigned number of up to 64 bits, and the position behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise _Malformed("it ends too early")
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (1 << 64) - 1, position
    raise _Malformed("a number of more than 64 bits")


def _check_domain(domain: str) -> None:
    if domain not in ("", "ai.onnx"):
        raise _Refused(f"operators of the domain {domain[:100]!r}")


def _dimensions(values: list[Any]) -> list[int]:
    """Return a tensor's dimensions, which are fields of their own or packed into one."""
    numbers: list[int] = []
    for value in values:
        position, end = 0, 1 if isinstance(value, int) else len(value)
        while position < end:
            if len(numbers) == MOST_DIMENSIONS:
                raise _Malformed("a tensor of too many dimensions")
            number, position = (value, 1) if isinstance(value, int) else varint(value, position)
            numbers.append(number)
    return numbers


def _count(values: list[Any], field_number: int) -> int:
    """Return the number of elements in a packed field of numbers."""
    if any(isinstance(value, int) for value in values):
        raise _Malformed("numbers that are not packed")
    if field_number in (4, 10):
        return sum(len(value) for value in values) // (4 if field_number == 4 else 8)
    return sum(int(np.count_nonzero(np.frombuffer(value, np.uint8) < 128)) for value in values)


def _expect(kind: type, value: Any) -> Any:  # noqa: ANN401 - returns what it is given
    if not isinstance(value, kind):
        raise _Malformed("a field of a wrong type")
    return value


def _number(fields: _Fields, number: int) -> int:
    """Return a field's number, 0 where the field is absent."""
    found: int = _expect(int, fields.get(number, [0])[0])
    return found


def _text(fields: _Fields, number: int) -> str:
    """Return a field's text, empty where the field is absent."""
    data: memoryview = _expect(memoryview, fields.get(number, [memoryview(b"")])[0])
    if len(data) > LONGEST_CONTRACT:
        raise _Malformed("a string that is too long")
    try:
        return bytes(data).decode()
    except UnicodeDecodeError as error:
        raise _Malformed("a string that is not valid UTF-8") from error
