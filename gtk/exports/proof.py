"""Prove that an exported file computes what the run computes in PyTorch."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gtk.core.errors import ExportMismatch, PluginError, WorkFailed
from gtk.exports.edges import Edges
from gtk.exports.examples import as_levels, example_batches
from gtk.exports.options import ExportOptions
from gtk.exports.subject import Subject, one_line


@dataclass(frozen=True)
class Difference:
    """How an output differs from PyTorch's.

    Attributes:
        largest: the largest absolute difference; of 8-bit images before they are rounded.
        mean: the mean absolute difference, likewise.
        values: how many values were compared.
        levels: the largest difference of 8-bit pixels; None where the output is no image.
        pixels: how many 8-bit values differ at all; None where the output is no image.
    """

    largest: float
    mean: float
    values: int
    levels: int | None = None
    pixels: int | None = None

    def joined(self, other: "Difference") -> "Difference":
        """Return what both comparisons together have found."""
        values = self.values + other.values
        return Difference(
            max(self.largest, other.largest),
            (self.mean * self.values + other.mean * other.values) / values,
            values,
            None if self.levels is None else max(self.levels, other.levels or 0),
            None if self.pixels is None else self.pixels + (other.pixels or 0),
        )


@dataclass(frozen=True)
class Parity:
    """What a comparison found.

    Attributes:
        tolerance: the largest absolute difference allowed; where an output is no image, as much
            again of each value.
        differences: by output and batch size.
    """

    tolerance: float
    differences: dict[str, dict[int, Difference]]

    @property
    def largest(self) -> float:
        """The largest difference of all."""
        return max(found.largest for found in self.outputs.values())

    @property
    def outputs(self) -> dict[str, Difference]:
        """The differences by output alone."""
        joined: dict[str, Difference] = {}
        for name, sizes in self.differences.items():
            for found in sizes.values():
                joined[name] = joined[name].joined(found) if name in joined else found
        return joined


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


def compare(subject: Subject, candidate: Candidate, options: ExportOptions) -> Parity:
    """Compare a file with the model on several batch sizes.

    Args:
        subject: the part, with a model that was loaded again from disk. Its module is not called:
            a wrong wrapper would agree with itself.
        candidate: what is to be the file.
        options: which images it has, and the tolerance.

    Raises:
        ExportMismatch: a difference is over the tolerance, or not a number, or a shape differs.
        WorkFailed: onnxruntime cannot run the file, or PyTorch's own outputs are not numbers.
        PluginError: the plugin's own code fails, or gives something else than its part promises.
    """
    part, edges = subject.part, Edges(options)
    differences: dict[str, dict[int, Difference]] = {name: {} for name in part.outputs}
    for inputs in example_batches(subject, options):
        size = len(inputs[0])
        wanted = expected(subject, inputs)
        feeds = dict(zip(part.inputs, inputs, strict=True))
        given = {
            name: edges.given(value) if name == "image" else value for name, value in feeds.items()
        }
        found = [
            edges.seen(value) if name == "image" else value
            for name, value in zip(
                part.outputs, _run(subject, candidate.session, given), strict=True
            )
        ]
        values = found if candidate.values is None else _run(subject, candidate.values, feeds)
        for name, mine, exact, theirs in zip(part.outputs, found, values, wanted, strict=True):
            difference = measure(name, exact, theirs, options.allowed)
            if mine.dtype == np.uint8:
                difference = replace(difference, **_levels(mine, theirs, options.allowed))
            known = differences[name].get(size)
            differences[name][size] = difference if known is None else known.joined(difference)
    return Parity(options.allowed, differences)


def measure(name: str, found: NDArray[Any], expected: NDArray[Any], tolerance: float) -> Difference:
    """Return how an output of floats differs.

    Raises:
        ExportMismatch: by more than is allowed.
    """
    _check_shape(name, found, expected)
    distances = np.abs(found - expected)
    allowed = tolerance if name == "image" else tolerance * (1 + np.abs(expected))
    largest = float(distances.max())
    if not (distances <= allowed).all():  # so that NaN is refused, too
        raise _mismatch(name, expected, f"differs from PyTorch by {largest:.3g}", tolerance)
    mean = float(distances.mean(dtype=np.float64))
    if name != "image":
        return Difference(largest, mean, distances.size)
    levels = np.abs(as_levels(found) - as_levels(expected))
    return Difference(
        largest, mean, distances.size, int(levels.max()), int(np.count_nonzero(levels))
    )


def _levels(found: NDArray[np.uint8], expected: NDArray[Any], tolerance: float) -> dict[str, int]:
    """Return how 8-bit images differ, of which each level is the nearest to a value allowed.

    Raises:
        ExportMismatch: one is not.
    """
    _check_shape("image", found, expected)
    distances = np.abs(found - 255 * np.clip(expected, 0, 1).astype(np.float64))
    beyond = float(distances.max()) - 0.5
    if beyond > 255 * tolerance:
        what = f"differs from PyTorch by {beyond / 255:.3g} more than by rounding to 8 bits"
        raise _mismatch("image", expected, what, tolerance)
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


def _check_shape(name: str, found: NDArray[Any], expected: NDArray[Any]) -> None:
    if found.shape != expected.shape:
        raise ExportMismatch(
            f"at batch {len(expected)} the exported file gives {name} {found.shape}, PyTorch gives "
            f"{expected.shape}; no file was written"
        )


def _mismatch(
    name: str, expected: NDArray[Any], difference: str, tolerance: float
) -> ExportMismatch:
    return ExportMismatch(
        f"at batch {len(expected)} {name} of the exported file {difference}, the tolerance is "
        f"{tolerance:.3g}; no file was written"
    )


def _run(subject: Subject, session: Any, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:  # noqa: ANN401 - onnxruntime publishes no types
    try:
        found: list[NDArray[Any]] = session.run(list(subject.part.outputs), feeds)
    except Exception as error:  # onnxruntime's errors have no common root
        size = len(next(iter(feeds.values())))
        raise WorkFailed(
            f"onnxruntime cannot run {subject} at batch {size}: {one_line(error)}; no file was "
            "written"
        ) from error
    return found


def expected(subject: Subject, inputs: tuple[NDArray[Any], ...]) -> list[NDArray[Any]]:
    """Return what the model itself gives for a part's inputs.

    Raises:
        WorkFailed: something that is not a number.
        PluginError: see `compare`.
    """
    part, model = subject.part, subject.model
    tensors = [torch.from_numpy(value.copy()) for value in inputs]  # a plugin may write to them
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
        if not torch.isfinite(output).all():
            raise WorkFailed(
                f"PyTorch's own {name} of {subject} is not a number everywhere, so nothing can be "
                "compared with it: has the training diverged?"
            )
    return [output.numpy() for output in outputs]
