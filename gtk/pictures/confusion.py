"""A picture of which classes a judge sees in images that were asked for of each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, NotRequired, TypedDict
from unicodedata import east_asian_width

import numpy as np
from numpy.typing import NDArray

from gtk.core.settings.json_file import check_document
from gtk.core.settings.run_file import Count
from gtk.core.values.errors import InvalidValue
from gtk.core.values.text import visible
from gtk.pictures.chart import Box

#: The most classes that are drawn, and rows of the table: more would be too small to read.
MOST_CLASSES = 20
#: Width and height of a cell, about pixels.
CELL = 34
#: Width of a letter, the most letters of a class's name, and those that fit above a column. Chinese
#: letters count twice.
LETTER, MOST_LETTERS, LETTERS_ABOVE = 7, 12, 4
#: The opacity of a cell with a single image of many, and with all: the number in it stays legible.
LIGHTEST, DARKEST = 0.12, 0.6


class Details(TypedDict):
    """What `class-accuracy` says beside its figures; lines of older versions have no names."""

    classes: dict[str, float]
    confusion: list[list[Count]]
    names: NotRequired[list[str]]


class ClassResult(NamedTuple):
    """What a judge sees in the images of a class.

    Attributes:
        name: of the class that was asked for.
        asked: how many images were.
        right: in how many of them the judge sees it.
        other: the class that it sees most often in the others; "" without others.
        mistaken: in how many images it sees that one.
    """

    name: str
    asked: int
    right: int
    other: str
    mistaken: int


class Cell(NamedTuple):
    """A cell of the picture.

    Attributes:
        x: the left edge.
        y: the top edge.
        style: a class of the style sheet: "right" or "wrong".
        opacity: `LIGHTEST`..`DARKEST`.
        text: the share in percent.
        title: what it counts, in words.
    """

    x: int
    y: int
    style: str
    opacity: float
    text: str
    title: str


@dataclass(frozen=True)
class Confusion:
    """How many images of each class that was asked for show which class.

    Attributes:
        names: of the classes, in order.
        counts: (n, n); a row is a class that was asked for, a column one that was seen.
    """

    names: Sequence[str]
    counts: NDArray[np.int64]
    cell: ClassVar[int] = CELL

    @classmethod
    def of(cls, details: Mapping[str, Any]) -> "Confusion | None":
        """Read a metric's details; None where they have no counts, or damaged ones."""
        try:
            check_document(dict(details), Details)
        except InvalidValue:
            return None
        rows = details["confusion"]
        names = details.get("names", list(details["classes"]))
        if not rows or any(len(row) != len(rows) for row in (*rows, names)):
            return None
        counts = np.array(rows, np.int64)
        # Floats, whose sums do not overflow.
        return cls(names, counts) if 0 < counts.sum(dtype=np.float64) < 2**53 else None

    def worst(self, count: int | None = None) -> list[ClassResult]:
        """Return the classes that were asked for, those that are right least often first."""
        right, asked = self.counts.diagonal(), self.counts.sum(axis=1)
        others = self.counts - np.diag(right)
        shares = np.where(asked > 0, right / np.maximum(asked, 1), np.inf)
        order = [int(row) for row in np.argsort(shares, kind="stable") if asked[row]]
        found = []
        for row in order[:count]:
            column = int(others[row].argmax())
            mistaken = int(others[row, column])
            other = self.names[column] if mistaken else ""
            found.append(
                ClassResult(self.names[row], int(asked[row]), int(right[row]), other, mistaken)
            )
        return found

    @property
    def drawn(self) -> bool:
        """Whether there are few enough classes for the picture."""
        return len(self.names) <= MOST_CLASSES

    @property
    def table(self) -> list[list[str]]:
        """A row of the page's table for each class, or for the worst."""
        return [
            [
                result.name,
                f"{result.right / result.asked:.2%}",
                f"{result.right:,} of {result.asked:,}",
                f"{result.other} ({result.mistaken / result.asked:.2%})" if result.other else "",
            ]
            for result in self.worst(MOST_CLASSES)
        ]

    @cached_property
    def short_names(self) -> list[str]:
        """The names beside the rows and above the columns."""
        return [_shortened(name) for name in self.names]

    @property
    def upright(self) -> bool:
        """Whether the names above the columns are short enough to be written across."""
        return self._longest <= LETTERS_ABOVE

    @property
    def box(self) -> Box:
        """The drawing, with the cells between its edges."""
        size = CELL * len(self.names)
        left = 30 + LETTER * self._longest
        top = 44 if self.upright else 30 + LETTER * self._longest
        return Box(left + size + 2, top + size + 2, left, left + size, top, top + size)

    def places(self) -> list[tuple[int, str]]:
        """Return the middle of each row, or column, from its first, and the class's name."""
        return [(CELL * at + CELL // 2, name) for at, name in enumerate(self.short_names)]

    def cells(self) -> list[Cell]:
        """Return the cells that count an image."""
        box, asked = self.box, self.counts.sum(axis=1)
        return [
            Cell(
                x=box.left + CELL * column,
                y=box.top + CELL * row,
                style="right" if row == column else "wrong",
                opacity=_opacity(count / int(asked[row])),
                text=_percent(count, int(asked[row])),
                title=f"{self.names[row]} asked for, {self.names[column]} seen: {count:,} of "
                f"{asked[row]:,} images",
            )
            for row, column in np.argwhere(self.counts).tolist()
            for count in [int(self.counts[row, column])]
        ]

    @property
    def _longest(self) -> int:
        return max(map(_letters, self.short_names))


def _opacity(share: float) -> float:
    # The root, since mistakes are few and would not show.
    return round(LIGHTEST + (DARKEST - LIGHTEST) * math.sqrt(share), 3)


def _shortened(name: str) -> str:
    """Return a printable name of at most `MOST_LETTERS`."""
    text = kept = visible(name[: MOST_LETTERS + 1])
    while _letters(kept) > MOST_LETTERS:
        kept = kept[:-1]
    return text if kept == text else f"{kept[:-1]}…"


def _letters(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _percent(count: int, total: int) -> str:
    """Return a share in percent, in which only all is 100 and only none 0."""
    share = 100 * count / total
    if share < 1 or 99 < share < 100:
        return f"{min(max(share, 0.1), 99.9):.1f}"
    return f"{share:.0f}"
