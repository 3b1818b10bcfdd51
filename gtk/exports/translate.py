"""Translate a part of a model to an ONNX graph with PyTorch's exporter."""

import gc
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.metadata import version
from typing import Any

import onnx
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from gtk.core.values.codes import Codes
from gtk.core.values.errors import PluginError, WorkFailed
from gtk.exports.graph_checks import check_node_count, check_opset, check_size
from gtk.exports.loaded_part import LoadedPart, one_line
from gtk.exports.options import ExportOptions
from gtk.exports.runtime.graph_file import LARGEST_FILE

#: The batch size of the exporter's example: not 1, which it may take for a constant.
EXAMPLE_SIZE = 2


class CheckedChoices(nn.Module):
    """Makes a label or code outside 0..n-1 an error in any runtime, before the module sees it.

    ONNX's Gather refuses an index past the end, but counts negative ones from the end; and a model
    may compare labels instead of looking them up, which makes zeros of a wrong one.

    Args:
        module: takes the labels and codes.
        counts: n, by position among the module's inputs.
    """

    def __init__(self, module: nn.Module, counts: Mapping[int, int]) -> None:
        super().__init__()
        self.module = module
        self.counts = dict(counts)
        for position, count in counts.items():
            self.register_buffer(f"known_{position}", torch.arange(count))

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map the part's inputs to its outputs."""
        checked = list(inputs)
        for position, count in self.counts.items():
            chosen, known = inputs[position], self.get_buffer(f"known_{position}")
            index = torch.where(chosen < 0, count, chosen).flatten()
            checked[position] = known.index_select(0, index).reshape(chosen.shape)
        given: Tensor | tuple[Tensor, ...] = self.module(*checked)
        return given


class _Used(TorchFunctionMode):
    """Counts the weights that a module uses: it may hold a whole model, and use a part of it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        weights = (*module.parameters(), *module.buffers())
        self.unused = {item.untyped_storage().data_ptr(): item.nbytes for item in weights}
        self.bytes = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401 - torch's own signature
        """Compute as always, and look at what is computed with."""
        self._count([*args, *(kwargs or {}).values()])
        return func(*args, **(kwargs or {}))

    def _count(self, values: Sequence[Any]) -> None:
        for value in values:
            if isinstance(value, Tensor):
                self.bytes += self.unused.pop(value.untyped_storage().data_ptr(), 0)
            elif isinstance(value, list | tuple):
                self._count(value)


def translate(subject: LoadedPart, options: ExportOptions) -> onnx.ModelProto:
    """Translate a part in float32, with a batch of any size and without paths of its source.

    Raises:
        PluginError: the module fails in PyTorch, or gives something else than its part promises.
        InvalidValue: the exporter cannot reach the opset.
        WorkFailed: the exporter cannot translate the module, or gtk's runtime would not read it.
    """
    module = subject.part.module.eval()
    examples = [torch.from_numpy(value.cases(EXAMPLE_SIZE, 0)) for value in subject.inputs.values()]
    _check_module(subject, module, examples)
    _check_weights(subject, module, examples, 2 if options.precision == "fp16" else 1)
    counts = [value.choices for value in subject.inputs.values()]
    module = CheckedChoices(module, {at: n for at, n in enumerate(counts) if n is not None}).eval()
    axes = tuple({0: "batch"} for _ in examples)
    with _quiet():
        try:
            program = torch.onnx.export(
                module,
                tuple(examples),
                input_names=list(subject.inputs),
                output_names=list(subject.outputs),
                dynamic_shapes=(axes,),  # of `*inputs`, which is one argument
                opset_version=options.opset,
                dynamo=True,
                verbose=False,
            )
            assert program is not None  # noqa: S101 - None only without dynamo
            proto: onnx.ModelProto = program.model_proto
        except Exception as error:  # the exporter's own, and whatever runs into it
            reason = one_line(error.__cause__ or error)
            raise WorkFailed(f"torch.onnx cannot translate {subject}: {reason}") from error
    check_opset(proto, options)
    check_node_count(proto, subject)
    _strip(proto)
    proto.producer_name, proto.producer_version = "gtk", version("generative-toolkit")
    proto.ir_version = onnx.helper.find_min_ir_version_for(list(proto.opset_import))
    return proto


def _check_weights(
    subject: LoadedPart, module: nn.Module, examples: list[Tensor], divisor: int
) -> None:
    """Refuse more weights than a file may have; the exporter would take minutes for them.

    Raises:
        WorkFailed: there are too many of them.
    """
    used = _Used(module)
    if sum(used.unused.values()) // divisor > LARGEST_FILE:
        with used:
            subject.compute("its module", module, *examples)
        check_size(subject, used.bytes // divisor)


def _check_module(subject: LoadedPart, module: nn.Module, examples: list[Tensor]) -> None:
    """Run the module once: PyTorch explains what is wrong with it better than the exporter.

    Raises:
        PluginError: see `translate`.
    """
    training = [name or "it" for name, inner in module.named_modules() if inner.training]
    if training:
        raise PluginError(f"{subject}: {training[0]} is in train mode, and stays so after eval()")
    outputs = subject.compute("its module", module, *examples)
    for (name, value), output in zip(subject.outputs.items(), outputs, strict=True):
        shape = tuple(output.shape)
        if output.dtype != torch.float32 and not isinstance(value, Codes):
            raise PluginError(
                f"{subject}: its module gives {name} as {output.dtype}, it should be float32"
            )
        if shape[:1] != (EXAMPLE_SIZE,):
            raise PluginError(
                f"{subject}: its module gives {name} of shape {shape} for a batch of "
                f"{EXAMPLE_SIZE}: the first axis should be the batch"
            )
        if name == "image" and shape[1:] != subject.image_shape:
            raise PluginError(
                f"{subject}: its module gives an image of shape {shape[1:]}, those of the data are "
                f"{subject.image_shape}: give an output of another kind another name"
            )


def _strip(proto: onnx.ModelProto) -> None:
    """Remove the absolute paths and module names that the exporter writes into the graph."""
    graph = proto.graph
    for item in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    del graph.metadata_props[:], proto.metadata_props[:]
    del graph.value_info[:]


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what the exporter logs, warns and prints: the user can do nothing about it.

    Garbage collection pauses: it takes long in what the exporter imports, and frees nothing there.
    """
    disabled, collects = logging.root.manager.disable, gc.isenabled()
    logging.disable(logging.CRITICAL)
    gc.disable()
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        if collects:
            gc.enable()
