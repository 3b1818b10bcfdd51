"""Prove that an exported file computes what the run computes in PyTorch."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from gtk.core.values.condition import NONE
from gtk.core.values.errors import ExportMismatch, PluginError, UserError, WorkFailed
from gtk.exports.choices import decided, fault_of_codes
from gtk.exports.examples import as_levels, example_batch, example_conditions, example_sizes
from gtk.exports.image_format import ImageFormat
from gtk.exports.loaded_part import LoadedPart, one_line
from gtk.exports.options import OPSETS, ExportOptions, opsets_that_work
from gtk.exports.parity import Difference, Parity
from gtk.exports.runtime.session import open_session

#: Rows that are drawn of a condition, at least, before it is said that none can be compared.
LEAST_DRAWS = 64


@dataclass(frozen=True)
class Candidate:
    """A file in the making, as onnxruntime runs it.

    Attributes:
        session: an onnxruntime session on what is to be the file.
        values: where the file gives 8-bit images, a session on the graph before they are rounded,
            which takes and gives float32 images (B, C, H, W).
    """

    session: Any
    values: Any | None = None


def open_candidate(
    subject: LoadedPart, options: ExportOptions, proto: onnx.ModelProto, inside: onnx.ModelProto
) -> Candidate:
    """Open the graph of a file in the making in onnxruntime.

    Args:
        subject: the part that it computes.
        options: of the file.
        proto: the file's graph.
        inside: the same with float32 images (B, C, H, W).

    Raises:
        UserError: onnxruntime cannot read this opset.
        WorkFailed: onnxruntime cannot read the graph.
    """
    gives_levels = options.image == "uint8" and "image" in subject.part.outputs
    values = _session(inside, subject, options) if gives_levels else None
    return Candidate(_session(proto, subject, options), values)


def _session(proto: onnx.ModelProto, subject: LoadedPart, options: ExportOptions) -> Any:  # noqa: ANN401 - onnxruntime publishes no types
    """Return an onnxruntime session."""
    session = open_session(proto.SerializeToString())
    if session is None:
        if options.opset > OPSETS[0]:
            raise UserError(
                f"onnxruntime cannot read {subject} in opset {options.opset}: {opsets_that_work()}"
            )
        raise WorkFailed(f"onnxruntime cannot read what torch.onnx has made of {subject}")
    return session


class Tally:
    """Counts what was compared so far: rows, outputs and conditions.

    Args:
        subject: the part.
        options: of the file.

    Attributes:
        rows: how many were drawn.
        compared: how many of these were decided, and compared.
        left_out: which of the condition's examples, none included, no compared row had.
    """

    def __init__(self, subject: LoadedPart, options: ExportOptions) -> None:
        self.rows = 0
        self.compared = 0
        condition = subject.condition
        self.left_out = set() if condition is None else set(range(len(condition.kinds_of_rows())))
        self._subject = subject
        self._options = options
        self._differences: dict[str, dict[int, Difference]] = {
            name: {} for name in subject.part.outputs
        }

    def add(
        self, clear: NDArray[np.bool_], found: dict[str, Difference], only: int | None = None
    ) -> None:
        """Count a batch.

        Args:
            clear: which of its rows were compared.
            found: how each output differs in these; empty if there is none.
            only: as in `example_batch`.
        """
        size = len(clear)
        conditions = example_conditions(self._subject, size, self.rows, only)
        self.left_out.difference_update(conditions[clear].tolist())
        for name, difference in found.items():
            known = self._differences[name].get(size)
            self._differences[name][size] = (
                difference if known is None else known.joined(difference)
            )
        self.rows, self.compared = self.rows + size, self.compared + int(clear.sum())

    def parity(self) -> Parity:
        """Return what was found."""
        margin = None if self._subject.part.margin is None else self._options.margin
        undecided = self.rows - self.compared
        return Parity(self._options.allowed, self._differences, self.compared, undecided, margin)


def compare(subject: LoadedPart, candidate: Candidate, options: ExportOptions) -> Parity:
    """Compare a file with the model on several batch sizes, and with each condition.

    Rows whose choices are undecided in PyTorch are left out; a batch of nothing else is followed by
    another one of its size, and a condition of nothing else by batches of it alone.

    Args:
        subject: the part, with a model that was loaded again from disk. Its module is not called:
            a wrong wrapper would agree with itself.
        candidate: what is to be the file.
        options: which images it has, and the tolerance.

    Raises:
        ExportMismatch: a difference is over the tolerance, or not a number, or a shape or a code
            differs; or too few rows could be compared, or none of a condition.
        WorkFailed: onnxruntime cannot run the file, or PyTorch's own outputs are not numbers.
        PluginError: the plugin's own code fails, or gives something else than its part promises.
    """
    tally, sizes = Tally(subject, options), example_sizes(subject, options)
    least, last = sum(sizes), sizes[-1]

    def draw(size: int, only: int | None = None) -> bool:
        inputs = example_batch(subject, options, size, tally.rows, only)
        clear, found = compare_batch(subject, candidate, options, inputs)
        tally.add(clear, found, only)
        return bool(clear.any())

    while sizes:
        size = sizes.pop(0)
        if not draw(size):
            sizes.append(size)
        if tally.rows >= least and 2 * tally.compared < tally.rows:
            where = f"{tally.compared} of {tally.rows} rows only: in the others"
            raise _undecided(subject, options, where, "Half of them are needed")
    for example in sorted(tally.left_out):
        start = tally.rows
        while not draw(last, example):
            if tally.rows - start >= LEAST_DRAWS:
                raise _never_compared(subject, options, example, tally.rows - start)
    return tally.parity()


def compare_batch(
    subject: LoadedPart,
    candidate: Candidate,
    options: ExportOptions,
    inputs: tuple[NDArray[Any], ...],
) -> tuple[NDArray[np.bool_], dict[str, Difference]]:
    """Compare a file with the model on a batch.

    Returns:
        Which rows were compared, and how each output differs in these; if none was, nothing.

    Raises:
        GtkError: see `compare`.
    """
    part, form = subject.part, ImageFormat(options)
    wanted = expected(subject, inputs)
    with _one_thread():
        clear = decided(subject, _tensors(inputs), options.margin)
    feeds = dict(zip(part.inputs, inputs, strict=True))
    given = {name: form.given(value) if name == "image" else value for name, value in feeds.items()}
    found = [
        form.seen(value) if name == "image" else value
        for name, value in zip(part.outputs, _run(subject, candidate.session, given), strict=True)
    ]
    values = found if candidate.values is None else _run(subject, candidate.values, feeds)
    differences: dict[str, Difference] = {}
    for name, mine, exact, theirs in zip(part.outputs, found, values, wanted, strict=True):
        for output in (mine, exact):
            _check_shape(name, output, theirs)
        if not clear.any():
            continue
        where, right = f"at batch {len(clear)}", theirs[clear]
        difference = measure(name, exact[clear], right, options.allowed, where)
        if mine.dtype == np.uint8:
            difference = replace(difference, **_levels(mine[clear], right, options.allowed, where))
        differences[name] = difference
    return clear, differences


def measure(
    name: str, found: NDArray[Any], expected: NDArray[Any], tolerance: float, where: str
) -> Difference:
    """Return how an output differs.

    Args:
        name: of the output.
        found: what the file gives: codes, or floats.
        expected: what PyTorch gives.
        tolerance: of floats; codes have to be equal.
        where: it was found, for messages.

    Raises:
        ExportMismatch: by more than is allowed.
    """
    if expected.dtype.kind == "i":
        differing = np.count_nonzero(found != expected)
        if differing:
            raise ExportMismatch(
                f"{where} {name} of the exported file differs from PyTorch in {differing} of "
                f"{expected.size} codes, which have to be equal; no file was written"
            )
        return Difference(0.0, 0.0, expected.size)
    distances = np.abs(found - expected)
    allowed = tolerance if name == "image" else tolerance * (1 + np.abs(expected))
    largest = float(distances.max())
    if not (distances <= allowed).all():  # so that NaN is refused, too
        raise _mismatch(name, f"differs from PyTorch by {largest:.3g}", tolerance, where)
    mean = float(distances.mean(dtype=np.float64))
    if name != "image":
        return Difference(largest, mean, distances.size)
    levels = np.abs(as_levels(found) - as_levels(expected))
    return Difference(
        largest, mean, distances.size, int(levels.max()), int(np.count_nonzero(levels))
    )


def _levels(
    found: NDArray[np.uint8], expected: NDArray[Any], tolerance: float, where: str
) -> dict[str, int]:
    """Return how 8-bit images differ, of which each level is the nearest to a value allowed.

    Raises:
        ExportMismatch: one is not.
    """
    distances = np.abs(found - 255 * np.clip(expected, 0, 1).astype(np.float64))
    beyond = float(distances.max()) - 0.5
    if beyond > 255 * tolerance:
        what = f"differs from PyTorch by {beyond / 255:.3g} more than by rounding to 8 bits"
        raise _mismatch("image", what, tolerance, where)
    levels = np.abs(found.astype(np.int64) - as_levels(expected))
    return {"levels": int(levels.max()), "pixels": int(np.count_nonzero(levels))}


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sum in one order, so that the figures in a file do not depend on the number of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _undecided(
    subject: LoadedPart, options: ExportOptions, where: str, needed: str
) -> ExportMismatch:
    hint = "" if options.precision == "fp32" else ", and fp32 rounds less"
    return ExportMismatch(
        f"{subject} can be compared in {where} the two best candidates of a choice are less than "
        f"{options.margin:g} apart, so that rounding may choose either. {needed}{hint}; no file "
        "was written"
    )


def _never_compared(
    subject: LoadedPart, options: ExportOptions, example: int, rows: int
) -> ExportMismatch:
    condition = subject.condition
    assert condition is not None  # noqa: S101 - else it has no examples
    name = f"{condition.port} {[*condition.example_names(), NONE][example]}"
    where = f"none of {rows} rows with {name}: in all"
    return _undecided(subject, options, where, "One is needed of each condition")


def _check_shape(name: str, found: NDArray[Any], expected: NDArray[Any]) -> None:
    if found.shape != expected.shape:
        raise ExportMismatch(
            f"at batch {len(expected)} the exported file gives {name} {found.shape}, PyTorch gives "
            f"{expected.shape}; no file was written"
        )


def _mismatch(name: str, difference: str, tolerance: float, where: str) -> ExportMismatch:
    return ExportMismatch(
        f"{where} {name} of the exported file {difference}, the tolerance is {tolerance:.3g}; no "
        "file was written"
    )


def _run(subject: LoadedPart, session: Any, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:  # noqa: ANN401 - onnxruntime publishes no types
    try:
        found: list[NDArray[Any]] = session.run(list(subject.part.outputs), feeds)
    except Exception as error:  # onnxruntime's errors have no common root
        size = len(next(iter(feeds.values())))
        raise WorkFailed(
            f"onnxruntime cannot run {subject} at batch {size}: {one_line(error)}; no file was "
            "written"
        ) from error
    return found


def _tensors(inputs: tuple[NDArray[Any], ...]) -> list[Tensor]:
    """Return copies: a plugin may write to them."""
    return [torch.from_numpy(value.copy()) for value in inputs]


def expected(subject: LoadedPart, inputs: tuple[NDArray[Any], ...]) -> list[NDArray[Any]]:
    """Return what the model itself gives for a part's inputs.

    Raises:
        WorkFailed: something that is not a number.
        PluginError: see `compare`.
    """
    part, model = subject.part, subject.model
    tensors = _tensors(inputs)
    by_sample = part.reference is None or subject.draws
    what = "Model.sample" if by_sample else "its reference"
    with subject.blamed(what), torch.no_grad(), _one_thread():
        given: Tensor | tuple[Tensor, ...]
        if by_sample:
            given = model.sample(tensors[0], tensors[1] if len(tensors) > 1 else None)
        else:
            assert part.reference is not None  # noqa: S101 - else it goes by Model.sample
            given = part.reference(model, *tensors)
    outputs = [given] if isinstance(given, Tensor) else given
    if not isinstance(outputs, tuple | list) or len(outputs) != len(part.outputs):
        number = len(outputs) if isinstance(outputs, tuple | list) else type(given).__name__
        raise PluginError(f"{subject}: {what} gives {number} outputs for {', '.join(part.outputs)}")
    for name, output in zip(part.outputs, outputs, strict=True):
        if not isinstance(output, Tensor):
            raise PluginError(f"{subject}: {what} gives {type(output).__name__} for {name}")
        codes = subject.codes(name)
        fault = "" if codes is None else fault_of_codes(output, codes, len(inputs[0]))
        if fault:
            raise PluginError(f"{subject}: {what} gives {name} {fault}")
        if not torch.isfinite(output).all():
            raise WorkFailed(
                f"PyTorch's own {name} of {subject} is not a number everywhere, so nothing can be "
                "compared with it: has the training diverged?"
            )
    return [output.numpy() for output in outputs]
