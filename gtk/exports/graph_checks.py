"""Checks of a graph before it may become a file, whatever it computes."""

import onnx
from onnx import AttributeProto, TensorProto

from gtk.core.values.errors import InvalidValue, WorkFailed
from gtk.core.values.setting import setting
from gtk.exports.graph_nodes import nodes_of
from gtk.exports.loaded_part import LoadedPart, one_line
from gtk.exports.options import USE_OPSETS, ExportOptions
from gtk.exports.runtime.graph_file import LARGEST_FILE, MOST_NODES, parse
from gtk.exports.runtime.operators import RANDOM, Refused
from gtk.exports.runtime.wire_format import Malformed

#: The exporter removes a dropout layer, except where it drops.
TRAINING = "Dropout"


def check_opset(proto: onnx.ModelProto, options: ExportOptions) -> None:
    """Refuse another opset than was asked for: the exporter only logs that it stays at its own.

    Raises:
        InvalidValue: the graph has another opset.
        WorkFailed: the graph has operators that are not ONNX's own.
    """
    opsets = {item.domain: item.version for item in proto.opset_import}
    version = opsets.pop("", None)
    if opsets or proto.functions:
        strange = sorted([*opsets, *(item.name for item in proto.functions)])
        raise WorkFailed(f"the graph has operators that are not ONNX's own: {', '.join(strange)}")
    if version != options.opset:
        raise InvalidValue(
            f"this model cannot be written in opset {options.opset}, torch.onnx stays at "
            f"{version}: {USE_OPSETS}"
        )


def check_graph(proto: onnx.ModelProto, subject: LoadedPart, options: ExportOptions) -> None:
    """Refuse a graph that is not valid ONNX, or not what was asked for.

    Raises:
        InvalidValue: the graph is not valid in an opset that only some models can be written in.
        WorkFailed: any other fault.
    """
    check_opset(proto, options)
    check_node_count(proto, subject)  # conversions add some
    _check_nodes(proto, subject)
    _check_ports(proto, subject, options)
    _check_readable(proto, subject)
    try:
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:  # the checker's errors and those of shape inference have no root
        reason = one_line(error)
        if options.opset < 18:
            raise InvalidValue(
                f"this model cannot be written in opset {options.opset}, {USE_OPSETS}: {reason}"
            ) from error
        raise WorkFailed(
            f"the graph that torch.onnx wrote of {subject} is not valid ONNX: {reason}"
        ) from error


def check_size(subject: LoadedPart, weights: int) -> None:
    """Refuse weights, in bytes, that make a file larger than gtk's runtime reads.

    Raises:
        WorkFailed: there are too many of them.
    """
    if weights > LARGEST_FILE:
        raise WorkFailed(
            f"{subject} has {weights:,} bytes of weights, gtk's runtime reads files of no more "
            f"than {LARGEST_FILE:,}: train a smaller model, or use {setting('precision', 'fp16')}"
        )


def check_node_count(proto: onnx.ModelProto, subject: LoadedPart) -> None:
    """Refuse more nodes than gtk's runtime reads.

    Raises:
        WorkFailed: there are too many of them.
    """
    count = sum(1 for _ in nodes_of(proto.graph))
    if count > MOST_NODES:
        raise WorkFailed(
            f"{subject} has {count:,} nodes, gtk's runtime reads no more than "
            f"{MOST_NODES:,}: what it does in a loop over positions should be done in fewer steps"
        )


def _check_readable(proto: onnx.ModelProto, subject: LoadedPart) -> None:
    """Refuse a graph that gtk's runtime would refuse to open, a rare operator for instance."""
    try:
        parse(proto.SerializeToString())
    except (Malformed, Refused) as error:
        raise WorkFailed(
            f"{subject} cannot be a file that gtk's runtime reads: it holds {error}"
        ) from error


def _check_nodes(proto: onnx.ModelProto, subject: LoadedPart) -> None:
    """Refuse random nodes, train mode, subgraphs and weights in a second file."""
    for node in nodes_of(proto.graph):
        values = {item.name: item for item in node.attribute}
        if node.op_type in RANDOM:
            raise WorkFailed(
                f"{subject} draws random numbers ({node.op_type}): they should come in as an input"
            )
        training = values.get("training_mode")
        if node.op_type == TRAINING or (training is not None and training.i):
            raise WorkFailed(f"{subject} has a layer in train mode ({node.op_type})")
        if node.op_type != "Loop" or not subject.repeats:  # which is checked like any file's
            _check_branches(node, subject)
    for tensor in proto.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            raise WorkFailed(f"{subject}: its weight {tensor.name} would be in a second file")


def check_flat(proto: onnx.ModelProto, subject: LoadedPart) -> None:
    """Refuse subgraphs.

    Raises:
        WorkFailed: there are some.
    """
    for node in proto.graph.node:
        _check_branches(node, subject)


def _check_branches(node: onnx.NodeProto, subject: LoadedPart) -> None:
    """Refuse a node with subgraphs."""
    if {item.type for item in node.attribute} & {AttributeProto.GRAPH, AttributeProto.GRAPHS}:
        raise WorkFailed(
            f"{subject} chooses at run time what it computes ({node.op_type}): gtk writes "
            "graphs without branches, and loops only of an Iteration's steps"
        )


def _check_ports(proto: onnx.ModelProto, subject: LoadedPart, options: ExportOptions) -> None:
    """Refuse other names or axes of inputs and outputs than those of the part."""
    graph = proto.graph
    for what, found, wanted in (
        ("inputs", graph.input, tuple(subject.inputs)),
        ("outputs", graph.output, tuple(subject.outputs)),
    ):
        names = tuple(item.name for item in found)
        if names != wanted:
            raise WorkFailed(f"{subject}: the graph has {what} {names}, it should have {wanted}")
    for item in (*graph.input, *graph.output):
        axes = [axis.dim_param or axis.dim_value for axis in item.type.tensor_type.shape.dim]
        whole = all(isinstance(axis, int) and axis > 0 for axis in axes[1:])
        if axes[:1] != [options.batch_axis] or not whole:
            raise WorkFailed(
                f"{subject}: {item.name} has axes {axes} in the graph; the first should be "
                f"{options.batch_axis}, each other a number"
            )
