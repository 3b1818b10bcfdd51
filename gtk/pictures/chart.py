"""Curves of a page: where their points are in a drawing, and the numbers beside its axes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

#: Points of a curve that are drawn; more than there are pixels show nothing more.
MOST_POINTS = 300


@dataclass(frozen=True)
class Box:
    """A drawing in its own units, about pixels.

    Attributes:
        width: of all of it, as is `height`.
        left: an edge of the part with points, as are `right`, `top` and `bottom`; around it are
            numbers and names.
    """

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of the part with points."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


BOX = Box(width=400, height=250, left=56, right=386, top=10, bottom=210)


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    Attributes:
        name: what the reader calls it.
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
        term: what is drawn.
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
        """The term as it is read."""
        return self.term.replace("_", " ")

    @property
    def ends(self) -> str:
        """The last value of each curve."""
        return "; ".join(f"{curve.name} {curve.points[-1][1]:.4g}" for curve in self.curves)

    @cached_property
    def ticks(self) -> list[float]:
        """The values that are written beside the axis; they enclose all others."""
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
        """Return the places of the ticks beside the axis of values, and their numbers."""
        step = self.ticks[1] - self.ticks[0]
        return [(self.y(tick), tick_text(tick, step)) for tick in self.ticks]

    def step_axis(self) -> list[tuple[float, str]]:
        """Return the places of the ticks below the axis of steps, and their numbers."""
        ticks = nice_ticks(0, self.last)
        return [(self.x(tick), tick_text(tick, ticks[1])) for tick in ticks if tick <= self.last]

    def drawn(self, curve: Curve) -> tuple[list[tuple[float, float]], list[tuple[str, str]]]:
        """Return the places of a curve's points, and the numbers that the script reads out."""
        points = thinned(curve.points)
        return (
            [(self.x(step), self.y(value)) for step, value in points],
            [(f"{step:g}", f"{value:.6g}") for step, value in points],
        )


def nice_ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers, the first at or below `low`, the last at or above `high`."""
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):  # one value: a range around it
        margin = max(abs(high) * 0.1, 1e-6)
        low, high = low - margin, high + margin
    rough = (high - low) / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough * 0.999)
    first, final = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, final + 1)]


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return at most `MOST_POINTS` of them, evenly, the first and the last among them."""
    count = len(points)
    if count <= MOST_POINTS:
        return list(points)
    return [points[round(index * (count - 1) / (MOST_POINTS - 1))] for index in range(MOST_POINTS)]


def tick_text(value: float, step: float) -> str:
    """Return the number beside a tick, with as many decimals as tell it from the next."""
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if digits > 4 or abs(value) >= 1e6:
        return f"{value:.3g}"
    return f"{value + 0.0:,.{digits}f}"  # + 0.0: no "-0"


def term_points(
    reports: Sequence[Mapping[str, Any]], split: str, term: str
) -> list[tuple[float, float]]:
    """Return (step, value) of a term in the lines of metrics.jsonl that are of a split."""
    return [
        (line["step"], line["terms"][term])
        for line in reports
        if line["split"] == split and term in line["terms"]
    ]
