"""What the model itself gives for a part's inputs, in PyTorch: the file has to give the same."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gtk.core.values.errors import PluginError, WorkFailed
from gtk.exports.loaded_part import LoadedPart


def expected(subject: LoadedPart, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return what the model itself gives for a part's inputs.

    The part's module is not called: a wrong wrapper would agree with itself.

    Raises:
        WorkFailed: an output that is not finite.
        PluginError: the plugin's own code fails, or gives something else than its part promises.
    """
    reference = subject.part.reference
    is_sample = subject.draws and not subject.repeats  # a draw of steps may be another than that
    function = sample if reference is None or is_sample else reference
    what = "Model.sample" if function is sample else "its reference"
    with _one_thread():
        outputs = subject.compute(what, function, subject.model, *_copied(inputs))
    for name, output in zip(subject.outputs, outputs, strict=True):
        if not torch.isfinite(output).all():
            raise WorkFailed(
                f"PyTorch's {name} of {subject} has values that are not finite, so the file cannot "
                "be compared with it. Check whether the training diverged."
            )
    return [output.numpy() for output in outputs]


def sample(model: Any, noise: Tensor, condition: Tensor | None = None) -> Tensor:  # noqa: ANN401 - a `SampledModel`
    """Return the images that a model makes of noise and a condition."""
    images: Tensor = model.sample(noise, condition)
    return images


def decided(
    subject: LoadedPart, inputs: Sequence[NDArray[Any]], margin: float
) -> NDArray[np.bool_]:
    """Return which rows have clear choices, whose two best candidates are `margin` apart: (B,).

    Raises:
        PluginError: the part's margin fails, or is not what `ExportPart` asks for.
    """
    size = len(inputs[0])
    if subject.part.margin is None:
        return np.ones(size, np.bool_)
    with _one_thread():
        given = subject.call("its margin", subject.part.margin, subject.model, *_copied(inputs))
    fault = _fault_of_margin(given, size)
    if fault:
        raise PluginError(f"{subject}: its margin gives {fault}")
    clear: NDArray[np.bool_] = (given >= margin).numpy()
    return clear


def _fault_of_margin(given: Any, size: int) -> str:  # noqa: ANN401 - whatever a plugin returns
    """Return what is wrong with margins, an empty string if nothing is."""
    if not isinstance(given, Tensor):
        return f"{type(given).__name__}, it should be a tensor with a number for each image"
    if given.shape != (size,):
        return (
            f"a tensor of shape {tuple(given.shape)} for a batch of {size}, it should be ({size},)"
        )
    if not torch.isfinite(given).all():
        return "values that are not finite: it should be the distance of the two best candidates"
    if (given < 0).any():
        return f"{float(given.min()):.3g}: the distance of two candidates should be at least 0"
    return ""


def _copied(inputs: Sequence[NDArray[Any]]) -> list[Tensor]:
    """Return copies: a plugin may write to them."""
    return [torch.from_numpy(value.copy()) for value in inputs]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sum in one order, so that the figures in a file do not depend on the number of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
