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


def compare(model: Model, session: Any, tolerance: float) -> Parity:  # noqa: ANN401 - onnxruntime publishes no types
    """Compare an ONNX session with `Model.sample` on several batch sizes.

    Args:
        model: the run, loaded again from disk: never the module that was handed to the exporter,
            since a wrong wrapper would agree with itself.
        session: an onnxruntime session on the file.
        tolerance: the largest absolute difference allowed.

    Raises:
        ExportMismatch: a difference is over the tolerance, or not a number, or a shape differs.
    """
    differences = {}
    for size in BATCH_SIZES:
        inputs = example_inputs(model, size)
        with torch.no_grad():
            label = torch.from_numpy(inputs["label"]) if "label" in inputs else None
            expected = model.sample(torch.from_numpy(inputs["z"]), label).numpy()
        found = session.run(["image"], inputs)[0]
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


def example_inputs(model: Model, size: int) -> dict[str, NDArray[Any]]:
    """Return latents out to 4 sigma and labels that go through the classes, for one batch."""
    noise = model.noise.draw(size, seed=size)
    first = noise.reshape(-1)[:2]
    first[:] = [SIGMA, -SIGMA][: len(first)]
    inputs: dict[str, NDArray[Any]] = {"z": np.clip(noise, -SIGMA, SIGMA)}
    if model.condition is not None:
        # From the last class downwards: every size reaches another end of the range.
        labels = (model.condition.count - 1 - np.arange(size)) % model.condition.count
        inputs["label"] = labels.astype(np.int64)
    return inputs
