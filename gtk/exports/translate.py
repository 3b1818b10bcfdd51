"""A part of a model as an ONNX graph, with nothing in it that was not asked for."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import torch
from torch import Tensor, nn

from gtk.core.errors import WorkFailed
from gtk.core.model import ExportPart, Model
from gtk.exports.options import ExportOptions
from gtk.exports.proof import example_inputs

#: The size of the batch that the exporter looks at: not 1, which it may take for a constant.
EXAMPLE_SIZE = 2


class CheckedLabels(nn.Module):
    """Hands labels on so that one outside 0..n-1 is an error in any runtime.

    ONNX's Gather refuses an index past the end, but counts negative ones from the end; and a model
    may compare labels instead of looking them up, which makes zeros of a wrong one.

    Args:
        module: takes the labels.
        classes: n.
        position: of the labels among its inputs.
    """

    known: Tensor

    def __init__(self, module: nn.Module, classes: int, position: int) -> None:
        super().__init__()
        self.module = module
        self.position = position
        self.register_buffer("known", torch.arange(classes))

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map the part's inputs to what it gives."""
        label = inputs[self.position]
        label = self.known.index_select(0, torch.where(label < 0, len(self.known), label))
        before, after = inputs[: self.position], inputs[self.position + 1 :]
        given: Tensor | tuple[Tensor, ...] = self.module(*before, label, *after)
        return given


def translate(
    model: Model, part: ExportPart, image_shape: tuple[int, int, int], options: ExportOptions
) -> onnx.ModelProto:
    """Translate a part; checked by onnx, with no trace of where its source lies.

    Raises:
        WorkFailed: the exporter cannot translate it, or what it made is not what was asked for.
    """
    examples = example_inputs(part, model, image_shape, EXAMPLE_SIZE)
    module, condition = part.module, model.condition
    if condition is not None and condition.kind == "classes" and "label" in part.inputs:
        module = CheckedLabels(module, condition.count, part.inputs.index("label"))
    axes = tuple({0: "batch"} for _ in part.inputs)
    with _quiet():
        try:
            program = torch.onnx.export(
                module.eval(),
                tuple(torch.from_numpy(value) for value in examples),
                input_names=list(part.inputs),
                output_names=list(part.outputs),
                dynamic_shapes=(axes,) if isinstance(module, CheckedLabels) else axes,
                opset_version=options.opset,
                dynamo=True,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            reason = str(error).strip().splitlines()[0]
            raise WorkFailed(f"torch.onnx cannot export this model: {reason}") from error
    assert program is not None  # noqa: S101 - None only without dynamo
    proto: onnx.ModelProto = program.model_proto
    _strip(proto)
    _check_form(proto, options)
    return proto


def _strip(proto: onnx.ModelProto) -> None:
    """Remove what the exporter notes about sources: absolute paths and module names."""
    graph = proto.graph
    for item in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del item.metadata_props[:]
    for node in graph.node:
        node.doc_string = ""
    del graph.metadata_props[:], proto.metadata_props[:]
    del graph.value_info[:]


def _check_form(proto: onnx.ModelProto, options: ExportOptions) -> None:
    onnx.checker.check_model(proto, full_check=True)
    opsets = {item.domain: item.version for item in proto.opset_import}
    axes = {
        item.name: item.type.tensor_type.shape.dim[0].dim_param
        for item in (*proto.graph.input, *proto.graph.output)
    }
    if opsets != {"": options.opset} or set(axes.values()) != {"batch"}:
        raise WorkFailed(
            f"torch.onnx made a file with opsets {opsets} and batch axes {axes}, which is not what "
            "was asked for; another version of torch may do better"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's own warnings away from the user, who can do nothing about them."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
