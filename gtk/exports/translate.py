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

from gtk.core.contracts.iteration import Iteration
from gtk.core.values.codes import Codes
from gtk.core.values.errors import PluginError, WorkFailed
from gtk.exports.graph_checks import check_flat, check_node_count, check_opset, check_size
from gtk.exports.loaded_part import LoadedPart
from gtk.exports.options import ExportOptions
from gtk.exports.precision import halve_inside
from gtk.exports.repetition import INDEX, Draw, Sections, check_state, drawing, repeated, section
from gtk.exports.runtime.graph_file import LARGEST_FILE

#: The batch size of the exporter's example: not 1, which it may take for a constant.
EXAMPLE_SIZE = 2
#: How much of what the exporter was at is told, and what it ends with, of a trace not shown.
LONGEST, SEE_TRACE = 160, ". See the stack trace for more information."


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

    The networks of an `Iteration` have the precision of the options.

    Raises:
        PluginError: the module fails in PyTorch, or gives something else than its part promises.
        InvalidValue: the exporter cannot reach the opset.
        WorkFailed: the exporter cannot translate the module, or gtk's runtime would not read it.
    """
    module = subject.part.module.eval()
    examples = _examples(subject, EXAMPLE_SIZE)
    if isinstance(module, Iteration):
        module = drawing(subject, module)
        check_state(subject, Sections(module, len(examples)), examples)
    _check_module(subject, module, examples)
    _check_weights(subject, module, examples, 2 if options.precision == "fp16" else 1)
    if isinstance(module, Draw):
        return _translated_draw(subject, options, module, examples)
    ports = list(subject.inputs), list(subject.outputs)
    return _translated(subject, options, _checked(subject, module), examples, *ports)


def _examples(subject: LoadedPart, size: int) -> list[Tensor]:
    """Return a batch of the part's inputs."""
    return [torch.from_numpy(value.cases(size, 0)) for value in subject.inputs.values()]


def _checked(subject: LoadedPart, module: nn.Module) -> nn.Module:
    """Return a module that checks the labels and codes that it is given."""
    counts = [value.choices for value in subject.inputs.values()]
    return CheckedChoices(module, {at: n for at, n in enumerate(counts) if n is not None}).eval()


def _translated_draw(
    subject: LoadedPart, options: ExportOptions, draw: Draw, examples: list[Tensor]
) -> onnx.ModelProto:
    """Return the graph of a draw of many steps, of which one is translated.

    What begins and what ends it is translated along: torch takes longest to get ready.
    """
    sections, index = Sections(draw, len(examples)), torch.tensor(0)
    # Of other batches: torch would take sizes of one section for those of another. And copies,
    # since a state may be a view, or one tensor twice, which matters to torch alone.
    given, state = (
        [item.clone(memory_format=torch.contiguous_format) for item in begun]
        for begun in (
            subject.call("its begin", sections.begin, *_examples(subject, EXAMPLE_SIZE + more))
            for more in (1, 2)
        )
    )
    if draw.position is not None:
        *state, _ = state
    first, before, after, last = (  # no port of a part has such a name
        [f"draw/{name}_{at}" for at in range(len(given))]
        for name in ("first", "before", "after", "last")
    )
    takes = list(subject.inputs), [INDEX, *before], last[: len(state)]
    gives = first, after[: len(state)], list(subject.outputs)
    proto = _translated(
        subject,
        options,
        _checked(subject, sections),
        [*examples, index, *given, *state],
        [name for names in takes for name in names],
        [name for names in gives for name in names],
    )
    check_flat(proto, subject)
    graphs = [section(subject, proto, *ports) for ports in zip(takes, gives, strict=True)]
    if options.precision == "fp16":
        graphs = [halve_inside(graph, {INDEX}) for graph in graphs]
    made = repeated(graphs, draw.iteration.count)
    check_node_count(made, subject)
    return made


def _translated(
    subject: LoadedPart,
    options: ExportOptions,
    module: nn.Module,
    examples: list[Tensor],
    takes: list[str],
    gives: list[str],
) -> onnx.ModelProto:
    """Return the graph of a module in float32; each of its inputs is (B, ...), or a scalar."""
    axes = tuple({0: "batch"} if item.ndim else {} for item in examples)
    with _quiet():
        try:
            program = torch.onnx.export(
                module,
                tuple(examples),
                input_names=takes,
                output_names=gives,
                dynamic_shapes=(axes,),  # of `*inputs`, which is one argument
                opset_version=options.opset,
                custom_translation_table={torch.ops.aten.expm1.default: _expm1},
                dynamo=True,
                verbose=False,
            )
            assert program is not None  # noqa: S101 - None only without dynamo
            proto: onnx.ModelProto = program.model_proto
        except Exception as error:  # the exporter's own, and whatever runs into it
            reason = innermost(error)
            raise WorkFailed(f"torch.onnx cannot translate {subject}: {reason}") from error
    check_opset(proto, options)
    check_node_count(proto, subject)
    _strip(proto)
    proto.producer_name, proto.producer_version = "gtk", version("generative-toolkit")
    proto.ir_version = onnx.helper.find_min_ir_version_for(list(proto.opset_import))
    return proto


def _expm1(x: Any) -> Any:  # noqa: ANN401 - a tensor of onnxscript
    """Return exp(x) - 1, which the exporter subtracts: of a small x few digits are left."""
    from onnxscript import opset18 as operators

    return operators.Mul(operators.Tanh(x * 0.5), operators.Exp(x) + 1.0)


def innermost(error: BaseException) -> str:
    """Return the first cause of an error, and in brackets what it was the cause of.

    The exporter wraps each error in those of all passes and steps around it, which say nothing.
    """
    causes = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    reason = f"{type(causes[-1]).__name__}: {_sentence(causes[-1])}".removesuffix(": ")
    where = _sentence(causes[-2])[:LONGEST] if len(causes) > 2 else ""
    return f"{reason} ({where})" if where else reason


def _sentence(error: BaseException) -> str:
    """Return the first line of an error's message, with the next one where that ends in a colon."""
    first, *more = str(error).strip().splitlines() or [""]
    text = f"{first} {more[0].strip(' -')}" if first.endswith(":") and more else first
    return text.removesuffix(SEE_TRACE)


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
