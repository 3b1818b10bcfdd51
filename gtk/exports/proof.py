"""Prove that an exported file computes what the run computes in PyTorch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gtk.core.errors import ExportMismatch
from gtk.core.model import ExportPart, Model

#: Batch sizes that are compared: a graph that fixed its example's size fails on another.
BATCH_SIZES = (1, 2, 3, 16)
#: Latents reach this many standard deviations.
SIGMA = 4.0


@dataclass(frozen=True)
class Difference:
    """How an output differs from PyTorch's.

    Attributes:
        largest: the largest absolute difference.
        mean: the mean absolute difference.
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
        return max(found.largest for sizes in self.differences.values() for found in sizes.values())


def compare(
    model: Model,
    session: Any,  # noqa: ANN401 - onnxruntime publishes no types
    part: ExportPart,
    image_shape: tuple[int, int, int],
    tolerance: float,
) -> Parity:
    """Compare an ONNX session with the model on several batch sizes.

    Args:
        model: the run, loaded again from disk: never the module that was handed to the exporter,
            since a wrong wrapper would agree with itself.
        session: an onnxruntime session on the file.
        part: its names and its reference; its module is not called.
        image_shape: of the data, (C, H, W).
        tolerance: the largest absolute difference allowed; see `Parity`.

    Raises:
        ExportMismatch: a difference is over the tolerance, or not a number, or a shape differs.
    """
    differences: dict[str, dict[int, Difference]] = {name: {} for name in part.outputs}
    for inputs in example_batches(part, model, image_shape):
        size = len(inputs[0])
        found = session.run(list(part.outputs), dict(zip(part.inputs, inputs, strict=True)))
        for name, mine, theirs in zip(
            part.outputs, found, expected(model, part, inputs), strict=True
        ):
            difference = measure(name, mine, theirs, tolerance, size)
            known = differences[name].get(size)
            differences[name][size] = difference if known is None else known.joined(difference)
    return Parity(tolerance, differences)


def measure(
    name: str, found: NDArray[Any], expected: NDArray[Any], tolerance: float, size: int
) -> Difference:
    """Return how an output differs at a batch size.

    Raises:
        ExportMismatch: by more than is allowed.
    """
    if found.shape != expected.shape:
        raise ExportMismatch(
            f"at batch {size} the exported file gives {name} {found.shape}, PyTorch gives "
            f"{expected.shape}; no file was written"
        )
    distances = np.abs(found - expected)
    allowed = tolerance if name == "image" else tolerance * (1 + np.abs(expected))
    largest = float(distances.max())
    if not (distances <= allowed).all():  # so that NaN is refused, too
        raise ExportMismatch(
            f"at batch {size} {name} of the exported file differs from PyTorch by {largest:.3g}, "
            f"the tolerance is {tolerance:.3g}; no file was written"
        )
    mean = float(distances.mean())
    if name != "image":
        return Difference(largest, mean, distances.size)
    levels = np.abs(as_levels(found) - as_levels(expected))
    return Difference(
        largest, mean, distances.size, int(levels.max()), int(np.count_nonzero(levels))
    )


def as_levels(images: NDArray[Any]) -> NDArray[np.int64]:
    """Return images in 0..1 as 8-bit levels."""
    levels: NDArray[np.int64] = np.rint(np.clip(images, 0, 1) * 255).astype(np.int64)
    return levels


def expected(
    model: Model, part: ExportPart, inputs: tuple[NDArray[Any], ...]
) -> list[NDArray[Any]]:
    """Return what the model itself gives for a part's inputs."""
    with torch.no_grad():
        tensors = [torch.from_numpy(value) for value in inputs]
        if part.reference is None or draws(part):
            given: Tensor | tuple[Tensor, ...] = model.sample(
                tensors[0], tensors[1] if len(tensors) > 1 else None
            )
        else:
            given = part.reference(model, *tensors)
    outputs = (given,) if isinstance(given, Tensor) else given
    return [output.numpy() for output in outputs]


def draws(part: ExportPart) -> bool:
    """Say whether a part makes images of noise, as `Model.sample` does."""
    return part.outputs == ("image",) and part.inputs[0] != "image" and part.prior == "normal"


def example_batches(
    part: ExportPart, model: Model, image_shape: tuple[int, int, int]
) -> Iterator[tuple[NDArray[Any], ...]]:
    """Yield inputs at each batch size, until they have gone through all conditions there are."""
    examples = 0 if model.condition is None else len(model.condition.examples())
    first = 0
    sizes = list(BATCH_SIZES)
    while sum(sizes) < examples:
        sizes.append(max(BATCH_SIZES))
    for size in sizes:
        yield example_inputs(part, model, image_shape, size, first)
        first += size


def example_inputs(
    part: ExportPart, model: Model, image_shape: tuple[int, int, int], size: int, first: int = 0
) -> tuple[NDArray[Any], ...]:
    """Return a batch of latents out to 4 sigma, of images from black to white, of conditions.

    Args:
        part: whose inputs they are.
        model: its noise and condition.
        image_shape: (C, H, W).
        size: of the batch.
        first: which of the conditions' examples comes first, from the last one downwards.
    """
    inputs: list[NDArray[Any]] = []
    for name in part.inputs:
        if model.condition is not None and name == model.condition.input_name:
            examples = model.condition.examples()[::-1]
            inputs.append(examples[np.arange(first, first + size) % len(examples)])
        elif name == "image":
            generator = np.random.default_rng(first)
            images = generator.random((size, *image_shape), dtype=np.float32)
            # Noise alone has no dark and no bright image.
            shade = generator.random((size, 1, 1, 1), dtype=np.float32)
            inputs.append(np.clip(images + 2 * shade - 1, 0, 1))
        else:
            noise = model.noise.draw(size, seed=first)
            ends = noise.reshape(-1)[:2]
            ends[:] = [SIGMA, -SIGMA][: len(ends)]
            inputs.append(np.clip(noise, -SIGMA, SIGMA))
    return tuple(inputs)
