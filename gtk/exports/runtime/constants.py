"""What a graph computes of constants alone, bounded before onnxruntime computes it.

onnxruntime folds such nodes while it opens a file: a few bytes may ask for gigabytes or hours. And
a whole number that is divided by 0 or -1 may end the process, whenever it is computed.
"""

import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.exports.runtime.operators import (
    BROADCAST,
    COMPARING,
    REARRANGING,
    REDUCING,
    RETYPED,
    SHAPED_LIKE_FIRST,
    Node,
    Refused,
)

#: The most elements made of constants in a small file, and for each element of a large one.
MOST_MADE, MOST_COPIES = 1 << 24, 8
#: The most multiplications of constants: a second or so in float32.
MOST_PRODUCTS = 1 << 34
#: The most axes of a tensor that is made of constants.
MOST_AXES = 32
#: The most elements of a constant whose values are looked at.
MOST_READ = 1 << 12
#: The bytes of constants that onnxruntime may fold into one, and into all that depend on shapes.
LEAST_FOLDED, MOST_FOLDED = 1 << 17, 1 << 30
#: By data type of ONNX: numpy's type.
NUMPY = {
    1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2",
    11: "<f8", 12: "<u4", 13: "<u8",
}  # fmt: skip
FLOAT, UINT8, INT32, INT64, BOOL = 1, 2, 6, 7, 9
FLOATS = {FLOAT, 10, 11}

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
    """Return a constant of a known shape."""
    if len(shape) > MOST_AXES:
        raise Refused(f"a tensor of more than {MOST_AXES} axes")
    return Constant(math.prod(max(axis, 1) for axis in shape), tuple(shape), values)


@dataclass
class Constants:
    """The constants of a graph, found node by node.

    Attributes:
        types: the data type of each tensor, as far as it is known.
        found: each constant, by name.
        shaped: the names of tensors that depend on nothing but constants and shapes.
        given, made, products: elements in the file, elements made of them, multiplications.
        largest: the most elements that one node makes of constants.
        shapings: the nodes that depend on shapes alone, which onnxruntime may fold, too.
    """

    types: dict[str, int | None]
    found: dict[str, Constant]
    shaped: set[str] = field(default_factory=set)
    given: int = 0
    made: int = 0
    products: int = 0
    largest: int = 0
    shapings: int = 0

    def add(self, node: Node) -> None:
        """Take in a node, whose inputs were taken in before."""
        if not any(node.outputs):
            raise Refused(f"an operator {node.operator} that gives nothing")
        if node.operator in ("Div", "Mod") and not node.domain:
            self._check_divisor(node)
        if node.operator == "MatMulNBits":
            self._check_blocks(node)
        self._set_types(node)
        used = list(filter(None, node.inputs))
        if node.operator == "Constant":
            constant = constant_of(node)
            self.found[max(node.outputs)] = constant
            self.given += math.prod(constant.shape or (constant.size,))
        elif all(name in self.found for name in used):
            self._fold(node)
        elif node.operator in ("Shape", "Size") or all(
            name in self.found or name in self.shaped for name in used
        ):
            self.shaped.update(node.outputs)
            self.shapings += 1

    def _fold(self, node: Node) -> None:
        """Take in a node of constants alone."""
        inputs = [self.found[name] for name in node.inputs if name]
        made, products = bound(node, inputs)
        for name in filter(None, node.outputs):
            self.found[name] = made
        self.made += made.size * len(node.outputs)
        self.products += products
        self.largest = max(self.largest, made.size)
        if self.made > max(MOST_MADE, MOST_COPIES * self.given) or self.products > MOST_PRODUCTS:
            raise Refused(
                f"constants that grow while the file is opened (at {node.operator}, to "
                f"{self.made:,} numbers)"
            )

    def _check_divisor(self, node: Node) -> None:
        """Refuse whole numbers divided by anything but constants that are neither 0 nor -1."""
        kinds = {self.types.get(name) for name in node.inputs} - {None}
        if kinds and kinds <= FLOATS:
            return
        divisor = self.found.get(node.inputs[1]) if len(node.inputs) == 2 else None
        values = None if divisor is None else divisor.values
        if values is None or np.isin(values, (0, -1)).any():
            raise Refused(
                f"a {node.operator} of whole numbers whose divisor is not a constant, or is 0 or -1"
            )

    def _check_blocks(self, node: Node) -> None:
        """Refuse weights in blocks that are not as large as the kernels expect, which read them."""
        columns, rows, bits, size = (
            node.attributes.get(name, 0) for name in ("N", "K", "bits", "block_size")
        )
        weights, *others = node.inputs[1:] if len(node.inputs) in (3, 4) else [""]
        found = [self.found.get(name) for name in (weights, *others)]
        blocks = -(-rows // max(size, 1))
        known = bits in (4, 8) and size in (16, 32, 64, 128, 256) and columns > 0
        shape = (columns, blocks, bits * size // 8)
        counts = [columns * blocks, columns * -(-blocks * bits // 8)]  # of scales and zero points
        fits = all(
            item is not None and item.shape is not None and math.prod(item.shape) == count
            for item, count in zip(found[1:], counts, strict=False)
        )
        if not known or not fits or found[0] is None or found[0].shape != shape:
            raise Refused(
                "a MatMulNBits whose weights are not constants of 4 or 8 bits, in blocks as its "
                "attributes say, without group indices"
            )

    def _set_types(self, node: Node) -> None:
        """Note the types of a node's outputs."""
        inputs = [self.types.get(name) for name in node.inputs]
        kinds = output_types(node, inputs)
        self.types.update(
            (name, kinds[min(position, len(kinds) - 1)])
            for position, name in enumerate(node.outputs)
            if name
        )

    @property
    def most_folded(self) -> int:
        """The most bytes of one constant that onnxruntime should make while it opens the file.

        What depends on shapes has no bound here, so that all of it together has this one.
        """
        shared = MOST_FOLDED // max(1, self.shapings)
        return max(LEAST_FOLDED, min(8 * self.largest, shared))


def check_constants(
    nodes: Sequence[Node],
    tensors: Sequence[tuple[str, int, tuple[int, ...], NDArray[Any] | None]],
    inputs: Mapping[str, int],
) -> Constants:
    """Bound what a graph computes of constants, and return what was found.

    Args:
        nodes: in any order; some tools append nodes that come first.
        tensors: the constants that stand in the file: name, data type, shape, values of small ones.
        inputs: the data types of the graph's inputs.
    """
    types: dict[str, int | None] = dict(inputs)
    found: dict[str, Constant] = {}
    for name, kind, shape, values in tensors:
        if name in found:
            raise Refused(f"two tensors called {name[:100]!r}")
        types[name], found[name] = kind, of_shape(shape, values)
    given = sum(math.prod(shape) for _, _, shape, _ in tensors)
    constants = Constants(types, found, given=given)
    for node in _in_order(nodes, types):
        constants.add(node)
    return constants


def _in_order(nodes: Sequence[Node], known: Container[str]) -> Iterator[Node]:
    """Yield the nodes in an order in which they can be computed, as onnxruntime does."""
    givers: dict[str, int] = {}
    for number, node in enumerate(nodes):
        for name in filter(None, node.outputs):
            if name in known or name in givers:
                raise Refused(f"two tensors called {name[:100]!r}")
            givers[name] = number
    needed = {
        number: [givers[name] for name in node.inputs if name in givers]
        for number, node in enumerate(nodes)
    }
    try:
        yield from map(nodes.__getitem__, TopologicalSorter(needed).static_order())
    except CycleError as error:
        raise Refused("nodes that need each other's outputs") from error


def constant_of(node: Node) -> Constant:
    """Return what a node Constant gives."""
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


#: What the rules below raise for inputs that onnxruntime refuses, too, or of an unknown size.
MISFITS = (ValueError, LookupError, TypeError, OverflowError, StopIteration)

# Shapes -------------------------------------------------------------------------------------------

Bound = tuple[Constant, int]


def bound(node: Node, inputs: Sequence[Constant]) -> Bound:
    """Return the most that a node makes of constants, and how often it multiplies for that."""
    rule = RULES.get(node.operator)
    if rule is None or not inputs:
        raise Refused(f"an operator {node.operator[:100]} of constants alone")
    try:
        made = rule(node, inputs)
    except MISFITS as error:
        raise Refused(f"an operator {node.operator} that does not fit its constants") from error
    return made if isinstance(made, tuple) else (made, 0)


def _first(_: Node, inputs: Sequence[Constant]) -> Constant:
    return Constant(inputs[0].size, inputs[0].shape)


def _instances(_: Node, inputs: Sequence[Constant]) -> Constant:
    if not all(inputs[0].shape or (0,)):
        raise ValueError("an image of no pixels, on which onnxruntime crashes")
    return _first(_, inputs)


def _broadcast(_: Node, inputs: Sequence[Constant]) -> Constant:
    shapes = [item.shape for item in inputs if item.shape is not None]
    if len(shapes) == len(inputs):
        return of_shape(np.broadcast_shapes(*shapes))
    return Constant(math.prod(item.size for item in inputs))


def _axes(node: Node, inputs: Sequence[Constant]) -> list[int] | None:
    """Return the axes that a node names, None where it names none."""
    named = node.attributes.get("axes", node.attributes.get("axis"))
    if len(inputs) > 1 and inputs[1].values is not None:
        named = inputs[1].values.tolist()
    return None if named is None else [named] if isinstance(named, int) else list(named)


def _reduce(node: Node, inputs: Sequence[Constant]) -> Constant:
    shape, axes = inputs[0].shape, _axes(node, inputs)
    if shape is None or not axes:
        return Constant(inputs[0].size)
    chosen = {axis % len(shape) for axis in axes}
    if node.attributes.get("keepdims", 1):
        return of_shape([1 if at in chosen else axis for at, axis in enumerate(shape)])
    return of_shape([axis for at, axis in enumerate(shape) if at not in chosen])


def _rearrange(node: Node, inputs: Sequence[Constant]) -> Constant:
    """Return a constant of no more elements, with its shape for the commonest operators."""
    shape, size = inputs[0].shape, inputs[0].size
    axes = _axes(node, inputs)
    if shape is None:
        return Constant(size)
    if node.operator == "Transpose":
        order = node.attributes.get("perm", range(len(shape))[::-1])
        return of_shape([shape[at] for at in order])
    if node.operator == "Unsqueeze" and axes:
        rank = len(shape) + len(axes)
        rest, added = iter(shape), {axis % rank for axis in axes}
        return of_shape([1 if at in added else next(rest) for at in range(rank)])
    if node.operator == "Reshape" and axes and min(axes) > 0:  # here the second input is the shape
        return of_shape(axes) if math.prod(axes) == size else Constant(size)
    return Constant(size)


def _concat(node: Node, inputs: Sequence[Constant]) -> Constant:
    shapes = [item.shape for item in inputs if item.shape]
    if len(shapes) < len(inputs):
        return Constant(sum(item.size for item in inputs))
    axis = node.attributes["axis"] % len(shapes[0])
    total = sum(shape[axis] for shape in shapes)
    return of_shape([*shapes[0][:axis], total, *shapes[0][axis + 1 :]])


def _gather(node: Node, inputs: Sequence[Constant]) -> Constant:
    data, index = inputs
    if data.shape is None or index.shape is None:
        return Constant(data.size * index.size)
    axis = node.attributes.get("axis", 0) % len(data.shape)
    return of_shape([*data.shape[:axis], *index.shape, *data.shape[axis + 1 :]])


def _known(item: Constant) -> list[Any]:
    """Return the values that a size is made of."""
    if item.values is None or item.values.ndim > 1:
        raise ValueError("a size that is computed")
    values: list[Any] = np.atleast_1d(item.values).tolist()
    return values


def _expand(_: Node, inputs: Sequence[Constant]) -> Constant:
    shape = _known(inputs[1])
    if inputs[0].shape is None:
        return Constant(inputs[0].size * of_shape(shape).size)
    return of_shape(np.broadcast_shapes(inputs[0].shape, tuple(shape)))


def _tile(_: Node, inputs: Sequence[Constant]) -> Constant:
    return Constant(inputs[0].size * of_shape(_known(inputs[1])).size)


def _constant_of_shape(_: Node, inputs: Sequence[Constant]) -> Constant:
    return of_shape(_known(inputs[0]))


def _range(_: Node, inputs: Sequence[Constant]) -> Constant:
    start, limit, step = (value for item in inputs for value in _known(item))
    return of_shape([max(0, math.ceil((limit - start) / step))] if step else [])


def _pad(_: Node, inputs: Sequence[Constant]) -> Constant:
    shape, pads = inputs[0].shape, _known(inputs[1])
    with_axes = any(item.shape for item in inputs[2:])  # a value to pad with has none
    if shape is None or len(pads) != 2 * len(shape) or with_axes:
        raise ValueError("a shape that is not known")
    ends = zip(shape, pads[: len(shape)], pads[len(shape) :], strict=True)
    return of_shape([axis + abs(before) + abs(after) for axis, before, after in ends])


def _one_hot(_: Node, inputs: Sequence[Constant]) -> Constant:
    return Constant(inputs[0].size * max(1, math.ceil(abs(_known(inputs[1])[0]))))


def _resize(node: Node, inputs: Sequence[Constant]) -> Constant:
    """Return a bound of sizes or scales, whichever there are."""
    kept = bytes(node.attributes.get("keep_aspect_ratio_policy", b"stretch"))
    mode = bytes(node.attributes.get("coordinate_transformation_mode", b""))
    if kept != b"stretch" or mode == b"tf_crop_and_resize":
        raise ValueError("a size that is computed")
    values = [value for item in inputs[1:] for value in _known(item)]
    size = inputs[0].size
    return Constant(size * math.prod(max(1, math.ceil(abs(value))) for value in values))


def _matmul(_: Node, inputs: Sequence[Constant]) -> Bound:
    left, right = (item.shape for item in inputs[:2])
    if not left or not right or min(len(left), len(right)) < 2:
        size = inputs[0].size * inputs[1].size
        return Constant(size), size
    rows = of_shape([*np.broadcast_shapes(left[:-2], right[:-2]), left[-2], right[-1]])
    return rows, rows.size * max(1, left[-1])


def _gemm(node: Node, inputs: Sequence[Constant]) -> Bound:
    left, right = inputs[0].shape, inputs[1].shape
    if not left or not right:
        size = inputs[0].size * inputs[1].size
        return Constant(size), size
    (rows, inner), (other, columns) = left, right
    if node.attributes.get("transA"):
        rows, inner = inner, rows
    if node.attributes.get("transB"):
        columns = other
    made = of_shape([rows, columns])
    return made, made.size * max(1, inner)


def _einsum(_: Node, inputs: Sequence[Constant]) -> Bound:
    size = math.prod(item.size for item in inputs)
    return Constant(size), size


def _conv(node: Node, inputs: Sequence[Constant]) -> Bound:
    image, weight = inputs[0].shape, inputs[1].shape
    if image is None or weight is None or len(image) != len(weight):
        raise ValueError("a shape that is not known")
    pads = node.attributes.get("pads", [0] * (2 * len(image) - 4))
    around = [sum(pads[at :: len(image) - 2]) for at in range(len(image) - 2)]
    spatial = [axis + pad for axis, pad in zip(image[2:], around, strict=True)]
    made = of_shape([image[0], weight[0], *spatial])
    return Constant(made.size), made.size * of_shape(weight[1:]).size


Rule = Callable[[Node, Sequence[Constant]], Constant | Bound]


def _fourth(rule: Rule) -> Rule:
    """Return a rule for the first and the fourth input, between which are a scale and a zero."""

    def apply(node: Node, inputs: Sequence[Constant]) -> Constant | Bound:
        if not all(node.inputs[:4]):
            raise ValueError("an input that is left out")
        return rule(node, [inputs[0], inputs[3]])

    return apply


#: Operators of quantized and fused layers whose output has the shape of their first input.
LAYERS = {
    "BiasGelu", "DynamicQuantizeLinear", "FastGelu", "QLinearLeakyRelu", "QLinearSigmoid",
    "QLinearSoftmax", "QuickGelu",
}  # fmt: skip
RULES: dict[str, Rule] = {
    **dict.fromkeys(SHAPED_LIKE_FIRST | RETYPED | LAYERS, _first),
    **dict.fromkeys(("DynamicQuantizeMatMul", "MatMulInteger", "MatMulIntegerToFloat"), _matmul),
    **dict.fromkeys(("ConvInteger", "FusedConv"), _conv),
    "FusedGemm": _gemm, "QGemm": _fourth(_gemm), "QLinearConv": _fourth(_conv),
    "QLinearMatMul": _fourth(_matmul),
    **dict.fromkeys(BROADCAST | {"QLinearAdd", "QLinearMul"}, _broadcast),
    **dict.fromkeys(REDUCING, _reduce),
    **dict.fromkeys(REARRANGING, _rearrange),
    **dict.fromkeys(("Shape", "Size"), lambda *_: Constant(64)),
    "GatherElements": lambda _, inputs: Constant(inputs[1].size, inputs[1].shape),
    "Concat": _concat, "ConstantOfShape": _constant_of_shape, "Conv": _conv, "Einsum": _einsum,
    "Expand": _expand, "Gather": _gather, "Gemm": _gemm, "InstanceNormalization": _instances,
    "MatMul": _matmul, "OneHot": _one_hot,
    "Pad": _pad, "Range": _range, "Resize": _resize, "Tile": _tile,
}  # fmt: skip
