"""Prove that an exported file computes what the run computes in PyTorch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gtk.core.errors import ExportMismatch
from gtk.core.model import Model

#: Batch sizes that are compared: a graph that fixed its example's size fails on another.
BATCH_SIZES = (1, 2, 3, 16)
#: Latents reach this many standard deviations.
SIGMA = 4.0


@dataclass(frozen=True)
class Parity:
    """What a comparison found.

    Attributes:
        tolerance: the largest absolute difference allowed.
        differences: the largest absolute difference found, by batch size.
    """

    tolerance: float
    differences: dict[int, float]

    @property
    def largest(self) -> float:
        """The largest difference of all."""
        return max(self.differences.values())


def compare(
    model: Model,
    session: Any,  # noqa: ANN401 - onnxruntime publishes no types
    names: tuple[str, ...],
    tolerance: float,
) -> Parity:
    """Compare an ONNX session with `Model.sample` on several batch sizes.

    Args:
        model: the run, loaded again from disk: never the module that was handed to the exporter,
            since a wrong wrapper would agree with itself.
        session: an onnxruntime session on the file.
        names: of the file's inputs: noise, and the condition where one acts.
        tolerance: the largest absolute difference allowed.

    Raises:
        ExportMismatch: a difference is over the tolerance, or not a number, or a shape differs.
    """
    differences = {}
    for size in BATCH_SIZES:
        inputs = example_inputs(model, size)
        with torch.no_grad():
            noise, *rest = (torch.from_numpy(value) for value in inputs)
            expected = model.sample(noise, rest[0] if rest else None).numpy()
        found = session.run(["image"], dict(zip(names, inputs, strict=True)))[0]
        if found.shape != expected.shape:
            raise ExportMismatch(
                f"at batch {size} the exported file gives {found.shape}, PyTorch gives "
                f"{expected.shape}; no file was written"
            )
        difference = float(np.abs(found - expected).max())
        if not difference <= tolerance:  # so that NaN is refused, too
            raise ExportMismatch(
                f"at batch {size} the exported file differs from PyTorch by {difference:.3g}, the "
                f"tolerance is {tolerance:.3g}; no file was written"
            )
        differences[size] = difference
    return Parity(tolerance, differences)


def example_inputs(model: Model, size: int) -> tuple[NDArray[Any], ...]:
    """Return noise out to 4 sigma and conditions that go through all examples, for one batch."""
    noise = model.noise.draw(size, seed=size)
    first = noise.reshape(-1)[:2]
    first[:] = [SIGMA, -SIGMA][: len(first)]
    noise = np.clip(noise, -SIGMA, SIGMA)
    if model.condition is None:
        return (noise,)
    # From the last class downwards: every size reaches another end of the range.
    examples = model.condition.examples()[::-1]
    return noise, examples[np.arange(size) % len(examples)]
