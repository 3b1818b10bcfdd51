"""The data types of tensors, and of what nodes make of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from gtk.exports.runtime.operators import COMPARING, Node

#: By data type of ONNX: numpy's type.
NUMPY = {
    1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2",
    11: "<f8", 12: "<u4", 13: "<u8",
}  # fmt: skip
FLOAT, UINT8, INT32, INT64, BOOL = 1, 2, 6, 7, 9
FLOATS = {FLOAT, 10, 11}


def output_types(node: Node, inputs: Sequence[int | None]) -> list[int | None]:
    """Return the data types of a node's outputs; the last one is that of all others, too."""
    first = inputs[0] if inputs else None
    operator, attributes = node.operator, node.attributes
    if operator == "Constant":
        return [_stated_type(attributes)]
    if operator in ("Cast", "BitCast"):
        return [_whole(attributes.get("to"))]
    if operator in ("Shape", "Size", "ArgMax", "ArgMin", "NonZero"):
        return [INT64]
    if operator in COMPARING or operator in ("Not", "IsInf", "IsNaN"):
        return [BOOL]
    if operator in ("TopK", "MaxPool"):
        return [first, INT64]
    if operator in ("MatMulInteger", "ConvInteger"):
        return [INT32]
    if operator in ("Where", "CastLike", "DequantizeLinear", "QLinearConcat"):
        return [inputs[1] if len(inputs) > 1 else None]
    if operator in ("OneHot", "QuantizeLinear"):
        return [inputs[2] if len(inputs) > 2 else UINT8]
    if operator == "ConstantOfShape":
        return [_stated_type(attributes) if attributes else FLOAT]
    if operator == "EyeLike":
        return [_whole(attributes.get("dtype", first))]
    if operator == "DynamicQuantizeLinear":
        return [UINT8, FLOAT, UINT8]
    if operator in ("DynamicQuantizeMatMul", "MatMulIntegerToFloat"):
        return [FLOAT]
    return [first]


def _whole(value: Any) -> int | None:  # noqa: ANN401 - whatever a file says
    return value if isinstance(value, int) else None


def _stated_type(attributes: Mapping[str, Any]) -> int | None:
    """Return the data type that attributes with a value have."""
    value = attributes.get("value")
    if isinstance(value, tuple):
        return int(value[0])
    return INT64 if {"value_int", "value_ints"} & attributes.keys() else FLOAT
