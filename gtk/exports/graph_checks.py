"""Checks of a graph before it may become a file, whatever it computes."""

import onnx
from onnx import AttributeProto, TensorProto

from gtk.core.values.errors import InvalidValue, WorkFailed
from gtk.exports.loaded_part import LoadedPart, one_line
from gtk.exports.options import USE_OPSETS, ExportOptions
from gtk.exports.runtime.graph_file import MOST_NODES, RANDOM

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
    _check_nodes(proto, subject)
    _check_ports(proto, subject, options)
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


def _check_nodes(proto: onnx.ModelProto, subject: LoadedPart) -> None:
    """Refuse random nodes, train mode, subgraphs, weights in a second file, and too many nodes."""
    if len(proto.graph.node) > MOST_NODES:
        raise WorkFailed(
            f"{subject} has {len(proto.graph.node):,} nodes, gtk's runtime reads no more than "
            f"{MOST_NODES:,}: what it does in a loop over positions should be done in fewer steps"
        )
    for node in proto.graph.node:
        values = {item.name: item for item in node.attribute}
        if node.op_type in RANDOM:
            raise WorkFailed(
                f"{subject} draws random numbers ({node.op_type}): they should come in as an input"
            )
        training = values.get("training_mode")
        if node.op_type == TRAINING or (training is not None and training.i):
            raise WorkFailed(f"{subject} has a layer in train mode ({node.op_type})")
        kinds = {item.type for item in values.values()}
        if kinds & {AttributeProto.GRAPH, AttributeProto.GRAPHS}:
            raise WorkFailed(
                f"{subject} chooses at run time what it computes ({node.op_type}): gtk writes "
                "graphs without branches and loops"
            )
    for tensor in proto.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            raise WorkFailed(f"{subject}: its weight {tensor.name} would be in a second file")


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
