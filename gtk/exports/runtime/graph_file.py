"""Check the bytes of an ONNX file before onnxruntime reads them, and the files that they name."""

import math
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gtk.core.values.argument import check_type
from gtk.exports.runtime.constants import check_constants
from gtk.exports.runtime.errors import ExportFileError, requested
from gtk.exports.runtime.loop import check_has_state
from gtk.exports.runtime.operators import (
    Graph,
    Node,
    Refused,
    check_domain,
    check_node,
    domain_name,
)
from gtk.exports.runtime.tensor_fields import (
    FLOAT16,
    FOUR_BITS,
    check_tensor,
    tensor_array,
    tensor_bytes,
)
from gtk.exports.runtime.wire_format import (
    Fields,
    Malformed,
    expect_type,
    field_bytes,
    field_number,
    field_text,
    field_texts,
    signed,
    varint,
    whole_numbers,
)

#: The largest file that is read, in bytes.
LARGEST_FILE = 1 << 30
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
        parameter_bytes: of all initializers.
        precision: "int4" with weights of 4 bits, "int8" with other quantized operators, "fp16"
            with 16-bit floats, else "fp32"; types that less than a tenth of the weights are only
            stored in are ignored.
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
#: The field of an attribute that holds a graph; what node it belongs to, decides about it.
_BODY = ("attribute", 6)
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
        1: None, 2: None, 3: None, 4: None, 5: "tensor", 6: "graph", 7: None, 8: None, 9: None,
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
#: By type of an attribute: the field that holds its value.
VALUES = {1: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 7, 7: 8, 8: 9, 9: 10}

#: The operators of ONNX that compute with quantized numbers.
QUANTIZED = {
    "ConvInteger", "MatMulInteger", "MatMulNBits", "QLinearConv", "QLinearMatMul",
    "QuantizeLinear",
}  # fmt: skip
#: The data types of quantized weights, 4 to 16 bits, and of all weights.
FEW_BITS = {2, 3, 4, 5} | FOUR_BITS
WEIGHTS = {1, FLOAT16, 11} | FEW_BITS


@dataclass
class _Walk:
    """What the walk through a file has found so far; nodes and tensors are those of bodies, too."""

    operators: Counter[str] = field(default_factory=Counter)
    opsets: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    tensors: list[tuple[str, int, tuple[int, ...], NDArray[Any] | None]] = field(
        default_factory=list
    )
    graph: Graph = field(default_factory=Graph)
    in_body: bool = False
    most_folded: int = 0
    ir_version: int = 0
    parameter_bytes: int = 0
    kinds: set[int] = field(default_factory=set)
    fields: int = 0

    def facts(self) -> GraphFacts:
        """Return what users see."""
        return GraphFacts(
            dict(self.operators), self.opsets, self.parameter_bytes, self._precision()
        )

    def _precision(self) -> str:
        four = any(node.attributes.get("bits") == 4 for node in self.nodes)
        four = four or bool(self.kinds & FOUR_BITS)
        stored = four or "DequantizeLinear" in self.operators
        if self.operators.keys() & QUANTIZED or (stored and self._has_many(FEW_BITS)):
            return "int4" if four else "int8"
        return "fp16" if FLOAT16 in self.kinds and self._has_many({FLOAT16}) else "fp32"

    def _has_many(self, kinds: set[int]) -> bool:
        """Return whether a tenth of the weights, in initializers or constants, have these types."""
        weights = [(kind, math.prod(shape)) for _, kind, shape, _ in self.tensors]
        constants = (node.attributes.get("value") for node in self.nodes)
        weights += [(item[0], math.prod(item[1])) for item in constants if isinstance(item, tuple)]
        found = sum(size for kind, size in weights if kind in kinds)
        return 10 * found >= sum(size for kind, size in weights if kind in WEIGHTS)

    def message(self, kind: str, data: memoryview) -> Any:  # noqa: ANN401 - see below
        """Walk through a message and all messages in it.

        Returns:
            A `Node` or a `Graph`; of any other kind the fields.
        """
        fields: Fields = {}
        for number, value in self._fields(data):
            if number not in MESSAGES[kind]:
                raise Malformed(f"an unknown field {number} of a {kind}")
            if number in fields and number not in REPEATED[kind]:
                raise Malformed(f"two fields {number} of a {kind}")
            rule = MESSAGES[kind][number]
            if rule is not None and rule not in MESSAGES:
                raise Refused(rule)
            if rule is None or (kind, number) == _BODY:
                inner = value
            else:
                inner = self.message(rule, expect_type(memoryview, value))
            fields.setdefault(number, []).append(inner)
        finish = {
            "node": self._node, "opset": self._opset, "entry": self._entry, "tensor": self._tensor,
            "graph": self._graph,
        }.get(kind)  # fmt: skip
        made = None if finish is None else finish(fields)
        return fields if made is None else made

    def _fields(self, data: memoryview) -> Iterator[tuple[int, Any]]:
        """Yield number and value of each field: a varint as a number, any other field as bytes."""
        position = 0
        while position < len(data):
            self.fields += 1
            if self.fields > MOST_FIELDS:
                raise Malformed(f"more than {MOST_FIELDS} fields")
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
                raise Malformed("bytes that are not fields of ONNX")
            if size > len(data) - position:
                raise Malformed("it ends too early")
            yield number, data[position : position + size]
            position += size

    def _node(self, fields: Fields) -> Node:
        given = fields.get(5, [])
        if any(6 in item for item in given) and field_text(fields, 4) != "Loop":
            raise Refused(_SUBGRAPH)
        attributes = [_attribute(item) for item in given]
        domain = domain_name(field_text(fields, 7))
        ports = field_texts(fields, 1), field_texts(fields, 2)
        node = Node(field_text(fields, 4), domain, *ports, dict(attributes))
        if len(node.attributes) < len(attributes):
            raise Malformed("two attributes of one name")
        if node.operator == "Loop":
            node = replace(node, attributes={"body": self._body(node)})
        self.nodes.append(node)
        self.operators[node.operator] += 1
        if len(self.nodes) > MOST_NODES:
            raise Refused(f"more than {MOST_NODES} nodes")
        return node

    def _body(self, node: Node) -> Graph:
        """Walk through the body of a Loop, once it is known that it may have one."""
        check_has_state(node)
        if self.in_body:
            raise Refused(f"{_SUBGRAPH}: a Loop within a Loop")
        self.in_body = True
        body: Graph = self.message("graph", node.attributes["body"])
        self.in_body = False
        return body

    def _graph(self, fields: Fields) -> Graph:
        tensors = [(field_text(item, 8), *tensor_array(item)) for item in fields.get(5, [])]
        self.tensors += tensors
        self.parameter_bytes += sum(
            tensor_bytes(kind, math.prod(shape)) for _, kind, shape, _ in tensors
        )
        ports = [[self._port(data) for data in fields.get(number, [])] for number in (11, 12)]
        inputs, outputs = dict(ports[0]), [name for name, _ in ports[1]]
        if len(inputs) < len(ports[0]):
            raise Refused("two inputs of one name")
        return Graph(fields.get(1, []), tensors, inputs, outputs)

    def check(self) -> None:
        """Refuse what onnxruntime might crash on, or compute endlessly."""
        for node in self.nodes:
            check_node(node)
            if node.domain not in self.opsets:
                raise Refused(
                    f"operators of the domain {node.domain!r}, whose version it does not name"
                )
        constants = check_constants(self.graph)
        self.most_folded = constants.most_folded

    def _port(self, data: memoryview) -> tuple[str, int]:
        """Return name and data type of an input or output; 0 if it is not a tensor."""
        port = self._read(data)
        kind = self._read(field_bytes(port, 2))
        return field_text(port, 1), field_number(self._read(field_bytes(kind, 1)), 1)

    def _read(self, data: memoryview) -> Fields:
        """Return the fields of a message that is not walked into."""
        fields: Fields = {}
        for number, value in self._fields(data):
            fields.setdefault(number, []).append(value)
        return fields

    def _opset(self, fields: Fields) -> None:
        domain = domain_name(field_text(fields, 1))
        check_domain(domain)
        if domain in self.opsets:
            raise Malformed("two versions of the operators")
        self.opsets[domain] = field_number(fields, 2)

    def _entry(self, fields: Fields) -> None:
        key = field_text(fields, 1)
        if key in self.metadata:
            raise Malformed(f"two entries {key[:100]!r}")
        self.metadata[key] = field_text(fields, 2)

    def _tensor(self, fields: Fields) -> None:
        if field_number(fields, 14) != 0:
            raise Refused(_EXTERNAL)
        self.kinds.add(check_tensor(fields))


def parse(content: bytes) -> _Walk:
    """Walk through a file's bytes.

    Raises:
        Malformed: they are not an ONNX file.
        Refused: they hold what gtk never writes.
    """
    found = _Walk()
    fields = found.message("model", memoryview(content))
    if 7 not in fields or "" not in found.opsets:
        raise Malformed("it has no graph")
    found.graph = fields[7][0]
    found.ir_version = field_number(fields, 1)
    found.check()
    return found


def walk(content: bytes, path: str) -> _Walk:
    """Walk through a file and return what was found.

    Raises:
        ExportFileError: as in `scan`; the message names `path`.
    """
    try:
        return parse(content)
    except Malformed as error:
        raise ExportFileError(
            f"{path} is not an ONNX file{_first_words(content) or f', or is damaged: {error}'}. "
            "Make one: gtk export RUN"
        ) from error
    except Refused as error:
        raise ExportFileError(
            f"{path} is refused: it holds {error}, which gtk never writes. If a tool has put it "
            "there, use another level or setting of the tool; else make one: gtk export RUN"
        ) from error


def _first_words(content: bytes) -> str:
    """Return how a text begins, such as a page or a pointer to a large file; "" for other files."""
    start = content[:80]
    if not start or any(byte < 32 and byte not in b"\t\n\r" for byte in start):
        return ""
    line = start.split(b"\n")[0][:40].decode(errors="replace")
    return f" but text, which begins with {line!r}"


def _attribute(fields: Fields) -> tuple[str, Any]:
    """Return an attribute's name and value.

    A whole number or a list of them, of a tensor its data type, shape and values, of floats, a
    string and a graph bytes, else a tuple of bytes.
    """
    name, kind = field_text(fields, 1), field_number(fields, 20)
    if kind not in VALUES:
        raise Malformed("an attribute without a type")
    values = fields.get(VALUES[kind], [])
    if kind in (8, 9, 10) and name == "value":
        raise Malformed("an attribute 'value' of several values")
    if kind == 2:
        return name, signed(field_number(fields, 3))
    if kind == 7:
        return name, whole_numbers(values)
    if kind == 4:
        return name, tensor_array(values[0] if values else {})
    if kind == 5:
        return name, field_bytes(fields, 6)
    if kind in (1, 3, 6):
        return name, memoryview(b"".join(expect_type(memoryview, item) for item in values))
    return name, tuple(values)
