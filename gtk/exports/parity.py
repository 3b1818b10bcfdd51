"""What the comparison of a file with PyTorch found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """How an output differs from PyTorch's, in the rows that were compared.

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
            again of each value. Codes are equal.
        differences: by output and batch size.
        compared: how many rows were.
        undecided: how many were left out: the two best candidates of a choice were too close.
        margin: how far they have to be apart, None where the part has no margin.
    """

    tolerance: float
    differences: dict[str, dict[int, Difference]]
    compared: int
    undecided: int = 0
    margin: float | None = None

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
