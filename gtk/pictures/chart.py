"""Curves of a page: the places of their points in a drawing, and the ticks of its axes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from gtk.core.storage.comparison import units_of

#: Lines of metrics.jsonl.
Reports = Sequence[Mapping[str, Any]]

#: How many points of a curve are drawn: about as many as it has pixels.
MOST_POINTS = 300
#: Larger values, near the end of what a float holds, are left out: the height of an axis from one
#: to another is infinite.
LARGEST_VALUE = 1e100


@dataclass(frozen=True)
class Box:
    """A drawing in its own units, about pixels.

    Attributes:
        width: of the whole drawing, as is `height`.
        left: an edge of the area with points, as are `right`, `top` and `bottom`; ticks and names
            are around it.
    """

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of the area with points."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


BOX = Box(width=400, height=250, left=56, right=386, top=10, bottom=210)


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    Attributes:
        name: for the reader.
        style: classes of the style sheet: a colour, and how the line is drawn.
        points: (step, value), by step; a single one is drawn as a mark.
    """

    name: str
    style: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """One term's curves over the steps.

    Attributes:
        term: of the loss.
        unit: of its values.
        curves: at least one, with at least one point each.
        last: the last step of the axis, at least 1, the same in all charts of a page.
    """

    term: str
    unit: str
    curves: Sequence[Curve]
    last: float
    box: ClassVar[Box] = BOX

    @property
    def name(self) -> str:
        """The term in words."""
        return term_words(self.term)

    @property
    def ends(self) -> str:
        """The last value of each curve."""
        return "; ".join(f"{curve.name} {curve.points[-1][1]:.4g}" for curve in self.curves)

    @cached_property
    def ticks(self) -> list[float]:
        """The values beside the axis, which enclose all others."""
        values = [value for curve in self.curves for _, value in curve.points]
        return nice_ticks(min(values), max(values))

    def x(self, step: float) -> float:
        """Return the place of a step."""
        return round(BOX.left + step / self.last * (BOX.right - BOX.left), 1)

    def y(self, value: float) -> float:
        """Return the place of a value."""
        up = (value - self.ticks[0]) / (self.ticks[-1] - self.ticks[0])
        return round(BOX.bottom - up * (BOX.bottom - BOX.top), 1)

    def value_axis(self) -> list[tuple[float, str]]:
        """Return place and text of each tick of the values."""
        step = self.ticks[1] - self.ticks[0]
        return [(self.y(tick), tick_text(tick, step)) for tick in self.ticks]

    def step_axis(self) -> list[tuple[float, str]]:
        """Return place and text of each tick of the steps."""
        ticks = nice_ticks(0, self.last)
        return [(self.x(tick), tick_text(tick, ticks[1])) for tick in ticks if tick <= self.last]

    def drawn(self, curve: Curve) -> tuple[list[tuple[float, float]], list[tuple[str, str]]]:
        """Return the places of a curve's points, and the numbers that the script reads out."""
        points = thinned(curve.points)
        return (
            [(self.x(step), self.y(value)) for step, value in points],
            [(f"{step:g}", f"{value:.6g}") for step, value in points],
        )


class Source(NamedTuple):
    """A split of a run's reports, with the name and the style of its curves."""

    name: str
    style: str
    split: str
    reports: Reports


def term_charts(sources: Sequence[Source]) -> list[Chart]:
    """Return a chart for each term, with the curves of all sources."""
    lines = [line for source in sources for line in source.reports]
    last = max([1, *(line["step"] for line in lines)])
    charts = []
    for term in term_names(lines):
        curves = [
            Curve(name, style, points)
            for name, style, split, reports in sources
            if (points := term_points(reports, split, term))
        ]
        if curves:
            unit = units_of((line for line in lines if term in line["terms"]), term)
            charts.append(Chart(term, unit, curves, last))
    return charts


def term_words(term: str) -> str:
    """Return a term, or a figure of a metric, in words: "class-accuracy worst class"."""
    return term.replace("_", " ").replace(".", " ")


def term_names(reports: Reports) -> list[str]:
    """Return the terms of all splits, "loss" first, and figures of metrics after the others."""
    names = dict.fromkeys(name for report in reports for name in report["terms"])
    figures = {name for report in reports for name in report.get("units", {})}
    return sorted(names, key=lambda name: (name in figures, name != "loss"))


def nice_ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers, the first at or below `low`, the last at or above `high`."""
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):  # a single value: a range around it
        margin = max(abs(high) * 0.1, 1e-6)
        low, high = low - margin, high + margin
    rough = (high - low) / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough * 0.999)
    first, final = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, final + 1)]


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return at most `MOST_POINTS` of them, evenly spaced, with the first and the last."""
    count = len(points)
    if count <= MOST_POINTS:
        return list(points)
    return [points[round(index * (count - 1) / (MOST_POINTS - 1))] for index in range(MOST_POINTS)]


def tick_text(value: float, step: float) -> str:
    """Return the number beside a tick, with the decimals that distinguish it from the next."""
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if digits > 4 or abs(value) >= 1e6:
        return f"{value:.3g}"
    return f"{value + 0.0:,.{digits}f}"  # + 0.0: no "-0"


def term_points(reports: Reports, split: str, term: str) -> list[tuple[float, float]]:
    """Return (step, value) of a term in the lines of metrics.jsonl about a split."""
    points = (
        (line["step"], line["terms"][term])
        for line in reports
        if line["split"] == split and term in line["terms"]
    )
    return [point for point in points if abs(point[1]) <= LARGEST_VALUE]
