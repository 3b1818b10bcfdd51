"""Discrete codes: whole numbers that each choose an entry of a codebook."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.errors import InvalidValue
from gtk.core.values.value import Value


@dataclass(frozen=True)
class Codes(Value):
    """Discrete inputs or outputs of an exported part: int64 (B, *shape).

    Attributes:
        shape: of one image's codes, without the batch: (4, 4) for a grid of them, () for one.
        count: the number of entries to choose from; codes are 0..count-1.

    Raises:
        InvalidValue: a size or a count below 1.
    """

    shape: tuple[int, ...]
    count: int

    role: ClassVar[str] = "codes"
    dtype = np.dtype(np.int64)

    def __post_init__(self) -> None:
        if not (isinstance(self.shape, tuple) and all(_is_size(side) for side in self.shape)):
            raise InvalidValue(f"the shape of codes must be a tuple of sizes, not {self.shape!r}")
        if not _is_size(self.count):
            raise InvalidValue(f"codes must have 1 entry or more, not {self.count!r}")

    @property
    def limits(self) -> tuple[float, float]:
        """The first and the last entry."""
        return 0, self.count - 1

    @property
    def choices(self) -> int:
        """The number of entries."""
        return self.count

    def cases(self, count: int, first: int) -> NDArray[np.int64]:
        """Return random codes, including the last and the first entry."""
        drawn = np.random.default_rng(first).integers(self.count, size=(count, *self.shape))
        drawn.reshape(-1)[:2] = [self.count - 1, 0][: drawn.size]
        return drawn


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
