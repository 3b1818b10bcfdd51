"""How large the constants are that a node makes of constants, and how much it computes for them."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gtk.exports.runtime.constant import Constant, of_shape
from gtk.exports.runtime.operators import (
    BROADCAST,
    REARRANGING,
    REDUCING,
    RETYPED,
    SHAPED_LIKE_FIRST,
    Node,
    Refused,
)

#: What the rules below raise for inputs that onnxruntime refuses, too, or of an unknown size.
MISFITS = (ValueError, LookupError, TypeError, OverflowError, StopIteration)

Bound = tuple[Constant, int]


def bound(node: Node, inputs: Sequence[Constant]) -> Bound:
    """Return the most that a node makes of constants, and how often it multiplies for that.

    Raises:
        Refused: its size is unknown, or it does not fit its constants.
    """
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
