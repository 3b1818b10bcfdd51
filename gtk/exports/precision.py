"""Convert a graph's weights and arithmetic to 16 bits; its inputs and outputs keep 32."""

import sys
from collections.abc import Iterator, Set
from contextlib import contextmanager

import onnx
import onnx_ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

#: Operators that turn numbers in a data set's units, or noise, into features, which fit float16.
MIXING = {"Conv", "ConvTranspose", "Einsum", "Gemm", "MatMul"}
#: The package whose import changes `sys.path`.
TOOLS = "onnxruntime.transformers"
#: Raw numbers that are an index here look features up, which mixes; as data they only pass through.
LOOKING_UP = {"Gather", "GatherElements", "GatherND"}


def halve(proto: onnx.ModelProto, raw: Set[str]) -> onnx.ModelProto:
    """Return the graph in float16, with float32 inputs and outputs.

    Args:
        proto: in float32.
        raw: the names of inputs that stay in float32 until they are mixed into features. Float16
            rounds a year to an even one, and 100,000 to infinity; and in the tails of a
            distribution, where discrete choices are drawn, it has few numbers.
    """
    with _own_path():
        from onnxruntime.transformers.float16 import convert_float_to_float16

    kept = _until_mixed(proto.graph, raw)
    halved = convert_float_to_float16(proto, keep_io_types=True, node_block_list=sorted(kept))
    _drop_doubles(halved.graph)
    model = onnx_ir.from_proto(halved)
    _bypass(model.graph, kept, raw)
    model.graph.sort()  # the converter puts its casts last
    RemoveUnusedNodesPass()(model)
    made: onnx.ModelProto = onnx_ir.to_proto(model)
    del made.graph.value_info[:]
    return made


def _until_mixed(graph: onnx.GraphProto, raw: Set[str]) -> set[str]:
    """Return the names of the nodes that inputs pass before they are mixed into features."""
    reached, nodes = set(raw), set()
    for node in graph.node:  # in an order in which they can be computed
        inputs = node.input[:1] if node.op_type in LOOKING_UP else node.input
        if node.op_type not in MIXING and reached & set(inputs):
            reached |= set(node.output)
            nodes.add(node.name)
    return nodes


def _drop_doubles(graph: onnx.GraphProto) -> None:
    """Keep one of the casts that the converter adds for each node that takes the same value."""
    first = {node.output[0]: node for node in reversed(graph.node)}
    kept = [node for node in graph.node if first[node.output[0]] is node]
    del graph.node[:]
    graph.node.extend(kept)


def _bypass(graph: onnx_ir.Graph, kept: set[str], raw: Set[str]) -> None:
    """Connect float32 nodes, by name, directly: the converter casts to float16 and back."""
    for node in graph:
        down = node.inputs[0].producer() if node.op_type == "Cast" and node.inputs[0] else None
        source = down.inputs[0] if down is not None and down.op_type == "Cast" else None
        if source is None:
            continue
        producer, back = source.producer(), node.outputs[0]
        exact = source.name in raw if producer is None else producer.name in kept
        to_float = node.attributes["to"].as_int() == onnx_ir.DataType.FLOAT
        if exact and to_float and not back.is_graph_output():
            back.replace_all_uses_with(source)


@contextmanager
def _own_path() -> Iterator[None]:
    """Undo the change of `sys.path` by importing onnxruntime's tools.

    Whoever imports them later, to quantize a file for instance, gets the change: they need it.
    """
    path, tools = list(sys.path), sys.modules.get(TOOLS)
    try:
        yield
    finally:
        if tools is None:
            sys.path[:] = path
            sys.modules.pop(TOOLS, None)
