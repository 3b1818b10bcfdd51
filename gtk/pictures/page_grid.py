"""Grids of images on a page, with names above their columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gtk.pictures.grid import GAP


@dataclass(frozen=True)
class PageGrid:
    """How a grid is laid out, as `image_grid` does it.

    Attributes:
        columns: images side by side.
        width: of an image in the data set's own pixels, by which the gaps are known.
        heads: a name for each column; empty for nothing.
        cell: pixels of a screen that an image takes at least; wider grids scroll in their box.
    """

    columns: int
    width: int
    heads: Sequence[str] = ()
    cell: ClassVar[int] = 34

    @property
    def gap(self) -> float:
        """What is between two columns, as a percentage of all of it."""
        return 100 * GAP / (self.columns * (self.width + GAP) - GAP)
