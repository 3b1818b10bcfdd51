"""Numbers: a continuous condition, in a user's own units."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.errors import InvalidValue
from gtk.core.values.named_numbers import NamedNumbers


@dataclass(frozen=True)
class Numbers(NamedNumbers):
    """Several numbers in their own units, each in its range.

    Raises:
        InvalidValue: a range whose ends are not finite, or not in order.
    """

    kind: str = "continuous"

    nouns = ("number", "numbers")
    port = "values"
    exact = True  # a year, for instance, is not a half-precision number
    has_ranges = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, low, high in self.ends():
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise InvalidValue(
                    f"the range of {name} is {low}..{high}: it needs finite ends, the lower first"
                )

    def described_names(self) -> list[str]:
        """Return each number with its range."""
        return [f"{name} {low:g}..{high:g}" for name, low, high in self.ends()]

    def examples(self) -> NDArray[np.float32]:
        """Return the lowest and the highest of every number, the others at their middle."""
        return np.stack([self.row({name: end}) for name, *ends in self.ends() for end in ends])

    def example_names(self) -> list[str]:
        """Return each number with its lowest and its highest: "age 20"."""
        return [f"{name} {end:g}" for name, *ends in self.ends() for end in ends]

    def _present_name(self, row: NDArray[Any]) -> str:
        numbers = zip(self.names, row.tolist(), strict=True)
        return ", ".join(f"{name} {number:.3g}" for name, number in numbers)
