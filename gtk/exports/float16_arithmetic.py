"""A file's graph in float16 arithmetic, which onnxruntime has on GPUs: its CPU provider casts."""

import math
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from gtk.exports.graph_nodes import bodies_of, nodes_of

#: Rows that are compared in float16 arithmetic: a fault in one of a hundred is found.
ROWS = 512
#: Of a large model fewer rows are compared, with about this many values between its nodes in all.
MOST_VALUES = 1 << 27
#: Rows that onnx's own reference implementation computes.
REFERENCE_ROWS = 4
#: Operators that this computes in Python, pixel by pixel.
SLOW = {"AveragePool", "Conv", "ConvTranspose", "GridSample", "LpPool", "MaxPool", "Resize"}
#: Attributes that name the type of an output.
TYPES = {"to", "dtype"}


class OnnxReference:
    """A graph as onnx's reference implementation runs it, with the interface of a session."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        from onnx.reference import ReferenceEvaluator

        self._evaluator = ReferenceEvaluator(proto)

    def run(self, names: list[str], feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the outputs of these names."""
        with np.errstate(all="ignore"):  # a value out of range is infinite, which the proof sees
            return list(self._evaluator.run(names, feeds))


def rounded(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph that computes each node in float32 and rounds its result to float16.

    This is what GPUs do: they sum in float32. A result beyond 65,504 becomes infinite.

    Args:
        proto: a graph in float16, where its types say so.
    """
    made = onnx.shape_inference.infer_shapes(proto, strict_mode=True)
    _round(made.graph)
    return made


def _round(graph: onnx.GraphProto) -> None:
    """Have the nodes of a graph, and of bodies within it, compute in float32 and round to float16.

    What enters and leaves a body is float32, as `translate` writes it.
    """
    for body in bodies_of(graph):
        _round(body)
    halves = {
        item.name
        for item in (*graph.value_info, *graph.output)
        if item.type.tensor_type.elem_type == TensorProto.FLOAT16
    }
    nodes = []
    for node in graph.node:
        _widen_attributes(node)
        nodes.append(node)
        for at, name in enumerate(node.output):
            if name in halves:
                node.output[at] = f"{name}/float32"
                nodes += _rounding(name)
    for tensor in graph.initializer:
        _widen(tensor)
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)


def rows_to_compare(proto: onnx.ModelProto) -> int:
    """Return how many rows a proof in float16 arithmetic compares: fewer of a large model."""
    graph = onnx.shape_inference.infer_shapes(proto).graph
    # A body is repeated: it counts once for each step, of which there are at most 1,000.
    values = _values(graph) + sum(_steps(graph) * _values(body) for body in bodies_of(graph))
    return max(1, min(ROWS, MOST_VALUES // max(values, 1)))


def _values(graph: onnx.GraphProto) -> int:
    """Return how many values there are between a graph's nodes in a row."""
    between = graph.value_info
    axes = [[axis.dim_value or 1 for axis in item.type.tensor_type.shape.dim] for item in between]
    return sum(map(math.prod, axes))


def _steps(graph: onnx.GraphProto) -> int:
    """Return the most steps of a graph's Loops."""
    counts = {node.input[0] for node in graph.node if node.op_type == "Loop"}
    known = [item for item in graph.initializer if item.name in counts]
    return max((int(numpy_helper.to_array(item)) for item in known), default=1)


def is_slow(proto: onnx.ModelProto) -> bool:
    """Return whether onnx's reference implementation takes long for a graph."""
    return any(node.op_type in SLOW for node in nodes_of(proto.graph))


def _rounding(name: str) -> list[onnx.NodeProto]:
    """Return the nodes that round a result, which has another name, to float16."""
    exact, half = f"{name}/float32", f"{name}/float16"
    return [
        helper.make_node("Cast", [exact], [half], to=TensorProto.FLOAT16),
        helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT),
    ]


def _widen_attributes(node: onnx.NodeProto) -> None:
    """Have a node give float32 where its attributes say float16."""
    for attribute in node.attribute:
        if attribute.name in TYPES and attribute.i == TensorProto.FLOAT16:
            attribute.i = TensorProto.FLOAT
        _widen(attribute.t)


def _widen(tensor: onnx.TensorProto) -> None:
    """Make a float16 tensor one of float32 with the same values."""
    if tensor.data_type == TensorProto.FLOAT16:
        values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
