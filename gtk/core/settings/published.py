"""The published figures of a recipe: what its training reached, and how far another may differ."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from gtk.core.values.argument import is_whole, shown
from gtk.core.values.errors import InvalidValue, unknown_name
from gtk.core.values.figure import Better

#: The most samples that gtk evaluate draws.
MOST_SAMPLES = 1_000_000
#: A line for messages.
EXAMPLE = '"class-accuracy.accuracy" = {value = 0.98, spread = 0.01}'


@dataclass(frozen=True)
class PublishedFigure:
    """A figure that the training of a recipe reached.

    Attributes:
        metric: the metric's name, perhaps with its package.
        name: the figure's name.
        value: what it was.
        spread: how far another training may be from it, in the figure's own unit; 0 or more.
    """

    metric: str
    name: str
    value: float
    spread: float

    @property
    def term(self) -> str:
        """METRIC.FIGURE, its key in a recipe."""
        return f"{self.metric}.{self.name}"

    def is_met(self, value: float, better: Better) -> bool:
        """Return whether a value is worse than the published one by no more than the spread.

        If neither a higher nor a lower value is better, it must lie within the spread on both
        sides.
        """
        above = better == "lower" or value >= self.value - self.spread
        below = better == "higher" or value <= self.value + self.spread
        return above and below


@dataclass(frozen=True)
class Published:
    """The table [published] of a recipe.

    Attributes:
        samples: how many images the figures are of.
        figures: one or more, in the order of the file.
    """

    samples: int
    figures: tuple[PublishedFigure, ...]

    @property
    def metrics(self) -> list[str]:
        """The names of the metrics, each once."""
        return list(dict.fromkeys(figure.metric for figure in self.figures))


#: The key of [published] that is not a figure.
SAMPLES = fields(Published)[0].name


def read_samples(value: object) -> int:
    """Return the number of samples.

    Raises:
        InvalidValue: it is not a whole number, or out of range.
    """
    if not isinstance(value, int) or not is_whole(value) or not 1 <= value <= MOST_SAMPLES:
        raise InvalidValue(f"must be a whole number in 1..{MOST_SAMPLES:,}, not {shown(value)}")
    return value


def read_figure(key: str, table: object) -> PublishedFigure:
    """Return the figure of a key METRIC.FIGURE and its table of value and spread.

    Raises:
        UnknownName: the table has another key.
        InvalidValue: the key or the table has another form, or a number is out of range.
    """
    metric, _, name = key.rpartition(".")
    if not metric or not name:
        raise InvalidValue(f"must be {SAMPLES}, or METRIC.FIGURE in quotation marks: {EXAMPLE}")
    if not isinstance(table, dict):
        raise InvalidValue(f"must be a table of value and spread, not {shown(table)}: {EXAMPLE}")
    for other in table.keys() - {"value", "spread"}:
        raise unknown_name("key of a published figure", other, ("value", "spread"))
    value, spread = _number(table, "value"), _number(table, "spread")
    if spread < 0:
        raise InvalidValue(f"spread must be 0 or more, not {spread:g}")
    return PublishedFigure(metric, name, value, spread)


def _number(table: Mapping[str, Any], name: str) -> float:
    """Return a finite number of a table."""
    if name not in table:
        raise InvalidValue(f"has no {name}: {EXAMPLE}")
    value = table[name]
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if not numeric or not abs(value) <= sys.float_info.max:  # of nan, too
        raise InvalidValue(f"{name} must be a finite number, not {shown(value)}")
    return float(value)
