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
    return _halved(proto, raw, _until_mixed(proto.graph, raw))


def halve_inside(proto: onnx.ModelProto, tables: Set[str] = frozenset()) -> onnx.ModelProto:
    """Return the graph with its networks in float16, all arithmetic around them in float32.

    A draw of many steps adds small differences to its state, which float16 would round off.

    Args:
        proto: in float32.
        tables: the names of inputs that look up times and the like, which stay in float32.
    """
    raw = {item.name for item in proto.graph.input}
    kept = _until_mixed(proto.graph, raw, tables) | _since_mixed(proto.graph)
    return _halved(proto, raw, kept, outputs=True)


def _halved(
    proto: onnx.ModelProto, raw: Set[str], kept: set[str], *, outputs: bool = False
) -> onnx.ModelProto:
    """Return the graph in float16, but for inputs, outputs and kept nodes.

    Args:
        proto: in float32.
        raw: the names of inputs, and
        kept: those of nodes that stay in float32.
        outputs: whether what kept nodes give out is never rounded to float16.
    """
    with _own_path():
        from onnxruntime.transformers.float16 import convert_float_to_float16

    halved = convert_float_to_float16(proto, keep_io_types=True, node_block_list=sorted(kept))
    _drop_doubles(halved.graph)
    model = onnx_ir.from_proto(halved)
    _bypass(model.graph, kept, raw)
    if outputs:
        _connect_outputs(model.graph, kept)
    model.graph.sort()  # the converter puts its casts last
    RemoveUnusedNodesPass()(model)
    made: onnx.ModelProto = onnx_ir.to_proto(model)
    del made.graph.value_info[:]
    return made


def _until_mixed(graph: onnx.GraphProto, raw: Set[str], tables: Set[str] = frozenset()) -> set[str]:
    """Return the names of the nodes that inputs pass before they are mixed into features."""
    reached, indices, nodes = set(raw), set(tables), set()
    for node in graph.node:  # in an order in which they can be computed
        in_table = not indices.isdisjoint(node.input)
        inputs = node.input[:1] if node.op_type in LOOKING_UP and not in_table else node.input
        if node.op_type not in MIXING and reached & set(inputs):
            reached |= set(node.output)
            indices |= set(node.output) if in_table else set()
            nodes.add(node.name)
    return nodes


def _since_mixed(graph: onnx.GraphProto) -> set[str]:
    """Return the names of the nodes that features pass on their way to the outputs."""
    reached, nodes = {item.name for item in graph.output}, set()
    for node in reversed(graph.node):
        if node.op_type not in MIXING and reached & set(node.output):
            reached |= set(node.input)
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


def _connect_outputs(graph: onnx_ir.Graph, kept: set[str]) -> None:
    """Have kept nodes give the graph's outputs: the converter casts to float16 and back."""
    for at, output in enumerate(graph.outputs):
        source: onnx_ir.Value | None = output
        for _ in range(2):
            cast = source.producer() if source is not None else None
            source = cast.inputs[0] if cast is not None and cast.op_type == "Cast" else None
        producer = None if source is None else source.producer()
        if source is None or producer is None or producer.name not in kept:
            continue
        if not source.is_graph_output():  # of which one cannot have two names
            name, output.name = output.name, f"{output.name}/float16"
            source.name, source.type, source.shape = name, output.type, output.shape
            graph.outputs[at] = source


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
