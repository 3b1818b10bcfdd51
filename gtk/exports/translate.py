"""A part of a model as an ONNX graph, in the exporter's own words."""

import gc
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import onnx
import torch
from torch import Tensor, nn

from gtk.core.values.errors import PluginError, WorkFailed
from gtk.exports.choices import fault_of_codes
from gtk.exports.examples import example_inputs
from gtk.exports.graph_checks import check_opset
from gtk.exports.loaded_part import LoadedPart, one_line
from gtk.exports.options import ExportOptions

#: The size of the batch that the exporter looks at: not 1, which it may take for a constant.
EXAMPLE_SIZE = 2


class CheckedChoices(nn.Module):
    """Hands labels and codes on so that one outside 0..n-1 is an error in any runtime.

    ONNX's Gather refuses an index past the end, but counts negative ones from the end; and a model
    may compare labels instead of looking them up, which makes zeros of a wrong one.

    Args:
        module: takes them.
        counts: n, by their position among its inputs.
    """

    def __init__(self, module: nn.Module, counts: Mapping[int, int]) -> None:
        super().__init__()
        self.module = module
        self.counts = dict(counts)
        for position, count in counts.items():
            self.register_buffer(f"known_{position}", torch.arange(count))

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map the part's inputs to what it gives."""
        checked = list(inputs)
        for position, count in self.counts.items():
            chosen, known = inputs[position], self.get_buffer(f"known_{position}")
            index = torch.where(chosen < 0, count, chosen).flatten()
            checked[position] = known.index_select(0, index).reshape(chosen.shape)
        given: Tensor | tuple[Tensor, ...] = self.module(*checked)
        return given


def translate(subject: LoadedPart, options: ExportOptions) -> onnx.ModelProto:
    """Translate a part, in float32, with a batch of any size, and no trace of its source's place.

    Raises:
        PluginError: the module fails in PyTorch, or gives something else than its part promises.
        InvalidValue: the exporter cannot reach the opset.
        WorkFailed: it cannot translate the module.
    """
    part = subject.part
    module = part.module.eval()
    examples = tuple(torch.from_numpy(value) for value in example_inputs(subject, EXAMPLE_SIZE))
    _try(subject, module, examples)
    module = CheckedChoices(module, _counts(subject)).eval()
    axes = tuple({0: "batch"} for _ in part.inputs)
    with _quiet(), _uncollected():
        try:
            program = torch.onnx.export(
                module,
                examples,
                input_names=list(part.inputs),
                output_names=list(part.outputs),
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
    _strip(proto)
    proto.producer_name = "gtk"
    proto.ir_version = onnx.helper.find_min_ir_version_for(list(proto.opset_import))
    return proto


def _counts(subject: LoadedPart) -> dict[int, int]:
    """Return how many there are to choose from, by the positions of inputs that are choices."""
    counts = [subject.value(name).choices for name in subject.part.inputs]
    return {at: count for at, count in enumerate(counts) if count is not None}


def _try(subject: LoadedPart, module: nn.Module, examples: tuple[Tensor, ...]) -> None:
    """Run the module once: what is wrong with it is told better by PyTorch than by the exporter.

    Raises:
        PluginError: see `translate`.
    """
    training = [name or "it" for name, inner in module.named_modules() if inner.training]
    if training:
        raise PluginError(f"{subject}: {training[0]} is in train mode, and stays so after eval()")
    with subject.blamed("its module"), torch.no_grad():
        given = module(*examples)
    outputs = (given,) if isinstance(given, Tensor) else given
    wanted = ", ".join(subject.part.outputs)
    if not isinstance(outputs, tuple | list) or len(outputs) != len(subject.part.outputs):
        number = len(outputs) if isinstance(outputs, tuple | list) else type(given).__name__
        raise PluginError(f"{subject}: its module gives {number} outputs for {wanted}")
    for name, output in zip(subject.part.outputs, outputs, strict=True):
        codes = subject.codes(name)
        if codes is not None and isinstance(output, Tensor):
            fault = fault_of_codes(output, codes, EXAMPLE_SIZE)
            if fault:
                raise PluginError(f"{subject}: its module gives {name} {fault}")
        elif not isinstance(output, Tensor) or output.dtype != torch.float32:
            kind = output.dtype if isinstance(output, Tensor) else type(output).__name__
            raise PluginError(f"{subject}: its module gives {kind} for {name}, not float32")
        shape = tuple(output.shape)
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
    """Remove what the exporter notes about sources: absolute paths and module names."""
    graph = proto.graph
    for item in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    del graph.metadata_props[:], proto.metadata_props[:]
    del graph.value_info[:]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporter and its tracer print away from the user, who can do nothing about it.

    They log, warn, and print the code that they look at.
    """
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
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


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep Python from looking for garbage: in what the exporter imports it finds none for long."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()
