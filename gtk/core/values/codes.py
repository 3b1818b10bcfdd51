"""Discrete codes: whole numbers that each choose an entry of a codebook."""

from dataclasses import dataclass

from gtk.core.values.errors import InvalidValue


@dataclass(frozen=True)
class Codes:
    """What an input or output of an exported part holds that is discrete: int64 (B, *shape).

    Attributes:
        shape: of one image's codes, without the batch: (4, 4) for a grid of them, () for one.
        count: how many entries there are to choose from; codes are 0..count-1.

    Raises:
        InvalidValue: a shape without room for a code, or no entry.
    """

    shape: tuple[int, ...]
    count: int

    def __post_init__(self) -> None:
        if not (isinstance(self.shape, tuple) and all(_is_size(side) for side in self.shape)):
            raise InvalidValue(f"the shape of codes is a tuple of sizes, not {self.shape!r}")
        if not _is_size(self.count):
            raise InvalidValue(f"codes choose from 1 entry or more, not from {self.count!r}")


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
