"""How far the outputs of a file are from PyTorch's."""

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.errors import ExportMismatch


@dataclass(frozen=True)
class Difference:
    """How an output differs from PyTorch's, in the rows that were compared.

    Attributes:
        largest: the largest absolute difference; of 8-bit images before they are rounded.
        mean: the mean absolute difference, likewise.
        values: how many values were compared.
        levels: the largest difference of 8-bit pixels; None for other outputs than images.
        pixels: how many 8-bit values differ at all; None for other outputs than images.
    """

    largest: float
    mean: float
    values: int
    levels: int | None = None
    pixels: int | None = None

    def joined(self, other: "Difference") -> "Difference":
        """Return the difference over the values of both."""
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
    """The result of comparing a file with PyTorch.

    Attributes:
        tolerance: the largest absolute difference allowed; of other outputs than images, as much
            again of each value. Codes are equal.
        differences: by output and batch size.
        compared: the number of rows compared.
        undecided: the number of rows left out: the two best candidates of a choice were too close.
        margin: how far apart these have to be, None where the part has no margin.
        float16: the result in float16 arithmetic, None for a file without such arithmetic.
    """

    tolerance: float
    differences: dict[str, dict[int, Difference]]
    compared: int
    undecided: int = 0
    margin: float | None = None
    float16: "Float16Parity | None" = None

    @property
    def largest(self) -> float:
        """The largest difference of all."""
        float16 = {} if self.float16 is None else self.float16.differences
        return max(found.largest for found in (*self.outputs.values(), *float16.values()))

    @property
    def outputs(self) -> dict[str, Difference]:
        """The difference of each output, over all batch sizes."""
        return {
            name: reduce(Difference.joined, sizes.values())
            for name, sizes in self.differences.items()
            if sizes
        }


@dataclass(frozen=True)
class Float16Parity:
    """The result of comparing a file in float16 arithmetic with PyTorch in float32.

    Attributes:
        rows: the number of rows compared.
        reference_rows: how many of these onnx's own reference implementation computed, too.
        differences: the larger ones by output.
    """

    rows: int
    reference_rows: int
    differences: dict[str, Difference]


def nearest_unrounded(levels: NDArray[Any], expected: NDArray[Any]) -> NDArray[Any]:
    """Return values that round to these 8-bit levels, each as near to PyTorch's as can be."""
    lowest = np.where(levels == 0, -np.inf, (levels - 0.5) / 255)
    highest = np.where(levels == 255, np.inf, (levels + 0.5) / 255)
    nearest: NDArray[Any] = np.clip(expected, lowest, highest)
    return nearest


def measure(
    name: str,
    found: NDArray[Any],
    unrounded: NDArray[Any],
    expected: NDArray[Any],
    clear: NDArray[np.bool_],
    tolerance: float,
    arithmetic: str = "",
) -> Difference | None:
    """Return how an output of a batch differs from PyTorch's, None where no row is compared.

    Args:
        name: of the output.
        found: the file's: codes, floats, or 8-bit images.
        unrounded: the same, images before they are rounded to 8 bits.
        expected: PyTorch's.
        clear: which rows are compared, (B,); all shapes are.
        tolerance: of floats; codes have to be equal.
        arithmetic: of the file, for messages; by default that of a batch in onnxruntime.

    Raises:
        ExportMismatch: shapes differ, or values by more than the tolerance.
    """
    where, given = arithmetic or f"at batch {len(expected)}", f"{name} of the exported file"
    for output in (found, unrounded):
        if output.shape != expected.shape:
            raise ExportMismatch(
                f"{where} the exported file gives {name} {output.shape}, PyTorch gives "
                f"{expected.shape}; no file was written"
            )
    if not clear.any():
        return None
    found, unrounded, expected = found[clear], unrounded[clear], expected[clear]
    if expected.dtype.kind == "i":
        differing = np.count_nonzero(found != expected)
        if differing:
            raise ExportMismatch(
                f"{where} {given} differs from PyTorch in {differing} of {expected.size} codes, "
                "which have to be equal; no file was written"
            )
        return Difference(0.0, 0.0, expected.size)
    limit = f"the tolerance is {tolerance:.3g}; no file was written"
    distances = np.abs(unrounded - expected)
    allowed = tolerance if name == "image" else tolerance * (1 + np.abs(expected))
    largest, mean = float(distances.max()), float(distances.mean(dtype=np.float64))
    if not (distances <= allowed).all():  # so that NaN is refused, too
        raise ExportMismatch(f"{where} {given} differs from PyTorch by {largest:.3g}, {limit}")
    if name != "image":
        return Difference(largest, mean, distances.size)
    if found.dtype == np.uint8:  # each level has to be the nearest to a value that is allowed
        off = np.abs(found - 255 * np.clip(expected, 0, 1).astype(np.float64))
        beyond = float(off.max()) - 0.5
        if beyond > 255 * tolerance:
            raise ExportMismatch(
                f"{where} {given} differs from PyTorch by {beyond / 255:.3g} more than by rounding "
                f"to 8 bits, {limit}"
            )
    mine = found.astype(np.int64) if found.dtype == np.uint8 else as_levels(found)
    levels = np.abs(mine - as_levels(expected))
    pixels = int(np.count_nonzero(levels))
    return Difference(largest, mean, distances.size, int(levels.max()), pixels)


def as_levels(images: NDArray[Any]) -> NDArray[np.int64]:
    """Return images in 0..1 as 8-bit levels."""
    levels: NDArray[np.int64] = np.rint(np.clip(images, 0, 1) * 255).astype(np.int64)
    return levels
