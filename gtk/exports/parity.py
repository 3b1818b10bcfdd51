"""How far the outputs of a file are from PyTorch's."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
        needed: the least tolerance that allows it.
    """

    largest: float
    mean: float
    values: int
    levels: int | None = None
    pixels: int | None = None
    needed: float = 0.0

    def joined(self, other: "Difference") -> "Difference":
        """Return the difference over the values of both."""
        values = self.values + other.values
        return Difference(
            max(self.largest, other.largest),
            (self.mean * self.values + other.mean * other.values) / values,
            values,
            None if self.levels is None else max(self.levels, other.levels or 0),
            None if self.pixels is None else self.pixels + (other.pixels or 0),
            max(self.needed, other.needed),
        )


@dataclass(frozen=True)
class Tolerance:
    """How far a file may be from PyTorch.

    Attributes:
        value: the largest absolute difference of images; of other floats, as much again of each
            value. Codes are equal.
        spreads: by name of an output, a number that `value` is a share of instead.
    """

    value: float
    spreads: Mapping[str, float] = field(default_factory=dict)

    def unit(self, name: str, expected: NDArray[Any]) -> Any:  # noqa: ANN401 - number or array
        """Return what the tolerance is multiplied by: for an output, or for each of its values."""
        return self.spreads.get(name, 1 if name == "image" else 1 + np.abs(expected))

    def text(self, name: str) -> str:
        """Return the end of a message about a larger difference."""
        spread = self.spreads.get(name)
        share = "" if spread is None else f" of the outputs' spread, {spread:.3g}"
        return f"the tolerance is {self.value:.3g}{share}; no file was written"


@dataclass(frozen=True)
class Parity:
    """The result of comparing a file with PyTorch.

    Attributes:
        tolerance: the largest absolute difference allowed; of other outputs than images, as much
            again of each value, or that share of their spread. Codes are equal.
        differences: by output and batch size.
        compared: the number of rows compared.
        undecided: the number of rows left out: the two best candidates of a choice were too close.
        margin: how far apart these have to be, None where the part has no margin.
        float16: the result in float16 arithmetic, None for a file without such arithmetic.
        spreads: of a quantized file, by output.
    """

    tolerance: float
    differences: dict[str, dict[int, Difference]]
    compared: int
    undecided: int = 0
    margin: float | None = None
    float16: "Float16Parity | None" = None
    spreads: Mapping[str, float] = field(default_factory=dict)

    @property
    def largest(self) -> float:
        """The largest difference of all."""
        return max(found.largest for found in self._all)

    @property
    def needed(self) -> float:
        """The least tolerance that allows all differences."""
        return max(found.needed for found in self._all)

    @property
    def _all(self) -> list[Difference]:
        float16 = {} if self.float16 is None else self.float16.differences
        return [*self.outputs.values(), *float16.values()]

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
    tolerance: Tolerance,
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
    where = arithmetic or f"at batch {len(expected)}"
    for output in (found, unrounded):
        if output.shape != expected.shape:
            raise ExportMismatch(
                f"{where} the exported file gives {name} {output.shape}, PyTorch gives "
                f"{expected.shape}; no file was written"
            )
    if not clear.any():
        return None
    found, unrounded, expected = found[clear], unrounded[clear], expected[clear]
    where = f"{where} {name} of the exported file differs from PyTorch"
    if expected.dtype.kind == "i":
        return _of_codes(where, found, expected)
    difference = _of_floats(unrounded, expected, tolerance.unit(name, expected))
    if not difference.needed <= tolerance.value:  # so that NaN is refused, too
        raise ExportMismatch(f"{where} by {difference.largest:.3g}, {tolerance.text(name)}")
    return (
        difference
        if name != "image"
        else _with_levels(where, difference, found, expected, tolerance)
    )


def _of_codes(where: str, found: NDArray[Any], expected: NDArray[Any]) -> Difference:
    """Return the difference of codes, none at all."""
    differing = np.count_nonzero(found != expected)
    if differing:
        raise ExportMismatch(
            f"{where} in {differing} of {expected.size} codes, which have to be equal; no file was "
            "written"
        )
    return Difference(0.0, 0.0, expected.size)


def _of_floats(found: NDArray[Any], expected: NDArray[Any], unit: Any) -> Difference:  # noqa: ANN401 - number or array
    """Return the difference of floats, whose tolerance is a share of `unit`."""
    distances = np.abs(found - expected)
    largest, mean = float(distances.max()), float(distances.mean(dtype=np.float64))
    return Difference(largest, mean, distances.size, needed=float((distances / unit).max()))


def _with_levels(
    where: str,
    difference: Difference,
    found: NDArray[Any],
    expected: NDArray[Any],
    tolerance: Tolerance,
) -> Difference:
    """Return the difference of images with that of their 8-bit levels."""
    mine = found.astype(np.int64) if found.dtype == np.uint8 else as_levels(found)
    levels = np.abs(mine - as_levels(expected))
    pixels = int(np.count_nonzero(levels))
    difference = replace(difference, levels=int(levels.max()), pixels=pixels)
    if found.dtype != np.uint8:
        return difference
    # Each level has to be the nearest to a value that is allowed.
    off = np.abs(found - 255 * np.clip(expected, 0, 1).astype(np.float64))
    beyond = max(0.0, float(off.max()) - 0.5) / 255
    if beyond > tolerance.value:
        raise ExportMismatch(
            f"{where} by {beyond:.3g} more than by rounding to 8 bits, {tolerance.text('image')}"
        )
    return replace(difference, needed=max(difference.needed, beyond))


def as_levels(images: NDArray[Any]) -> NDArray[np.int64]:
    """Return images in 0..1 as 8-bit levels."""
    levels: NDArray[np.int64] = np.rint(np.clip(images, 0, 1) * 255).astype(np.int64)
    return levels
