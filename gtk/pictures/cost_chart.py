"""Quality against cost on a page: a point for each run, by a figure and by what the run cost."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import ClassVar, NamedTuple

from gtk.core.storage.comparison import Compared, figures_of
from gtk.core.storage.evaluated_figure import EvaluatedFigure, widest
from gtk.core.storage.evaluations import FigureTable, figure_cells
from gtk.core.storage.run_cost import PARAMETERS, SECONDS, costs
from gtk.core.values.text import shortened
from gtk.pictures.chart import LARGEST_VALUE, Box, nice_ticks, tick_text

#: The most charts of a page, and figures that come before others.
MOST, FIRST = 4, ("accuracy", "distance")
#: How many times its least value a cost may be until its axis is logarithmic, and the least value
#: of such an axis.
LINEAR, SMALLEST = 10, 1e-9
#: The most ticks of a logarithmic axis that all have a text.
MOST_TICKS = 6
#: Larger units of a cost: from how many of the smaller one on, how many these are, and the name.
UNITS = {
    SECONDS: [(7200, 3600, "hours of training"), (120, 60, "minutes of training")],
    PARAMETERS: [(1_000_000, 1_000_000, "million parameters")],
}
#: A label: its most characters, and about how wide one of them and how high a line is.
LETTERS, LETTER, LINE = 22, 7.2, 13.0


class Point(NamedTuple):
    """A run in a chart.

    Attributes:
        run: its number, which decides its colour.
        name: its name.
        cost: in the unit of the chart.
        value: the figure, in percent if it is a share; `low` and `high` are the ends of its 95%
            interval, or both the figure itself.
        text: the figure with its interval, for the reader.
    """

    run: int
    name: str
    cost: float
    value: float
    low: float
    high: float
    text: str


class Label(NamedTuple):
    """The name of a run beside its point.

    Attributes:
        x: where the text begins, or where it ends if it is `left` of the point.
        y: its base line.
        text: the name, perhaps without its middle.
        left: whether it is left of the point.
    """

    x: float
    y: float
    text: str
    left: bool

    @property
    def box(self) -> tuple[float, float, float, float]:
        """What it covers: left, top, right, bottom."""
        wide = LETTER * len(self.text)
        begin = self.x - wide if self.left else self.x
        return begin, self.y - LINE + 3, begin + wide, self.y + 3


@dataclass(frozen=True)
class CostChart:
    """A figure of several runs over a cost.

    Attributes:
        name: of the figure.
        unit: of its values, and which of them are better.
        cost: the name of the cost with its unit.
        points: of at least two runs.
        left_out: the names of runs that have the figure, and whose cost is not known.
    """

    name: str
    unit: str
    cost: str
    points: Sequence[Point]
    left_out: Sequence[str] = ()
    box: ClassVar[Box] = Box(width=400, height=270, left=56, right=386, top=14, bottom=226)

    @cached_property
    def logarithmic(self) -> bool:
        """Whether equal steps along the axis of costs are equal factors."""
        least, most = self._cost_range
        return least >= SMALLEST and most > LINEAR * least

    @cached_property
    def cost_ticks(self) -> list[float]:
        """Round costs, the first and the last of which are the ends of the axis."""
        least, most = self._cost_range
        return decades(least, most) if self.logarithmic else nice_ticks(0, most)

    @cached_property
    def value_ticks(self) -> list[float]:
        """The values beside the axis, which enclose all others and their intervals."""
        values = [value for it in self.points for value in (it.low, it.value, it.high)]
        return nice_ticks(min(values), max(values))

    def x(self, cost: float) -> float:
        """Return the place of a cost."""
        along = math.log if self.logarithmic else float
        first, last = along(self.cost_ticks[0]), along(self.cost_ticks[-1])
        share = (along(cost) - first) / (last - first)
        return round(self.box.left + share * (self.box.right - self.box.left), 1)

    def y(self, value: float) -> float:
        """Return the place of a value."""
        first, last = self.value_ticks[0], self.value_ticks[-1]
        share = (value - first) / (last - first)
        return round(self.box.bottom - share * (self.box.bottom - self.box.top), 1)

    def cost_axis(self) -> list[tuple[float, str]]:
        """Return place and text of each tick of the costs; of many, of some powers of ten."""
        ticks = self.cost_ticks
        if not self.logarithmic:
            return [(self.x(tick), tick_text(tick, ticks[1])) for tick in ticks]
        if len(ticks) > MOST_TICKS:
            ticks = [tick for tick in ticks if math.log10(tick).is_integer()]
            ticks = ticks[:: math.ceil(len(ticks) / MOST_TICKS)]
        return [(self.x(tick), f"{tick:,g}") for tick in ticks]

    def value_axis(self) -> list[tuple[float, str]]:
        """Return place and text of each tick of the values."""
        ticks = self.value_ticks
        return [(self.y(tick), tick_text(tick, ticks[1] - ticks[0])) for tick in ticks]

    def summary(self) -> str:
        """Return the points in words."""
        return "; ".join(f"{it.name}: {it.cost:.4g}, {it.text}" for it in self.points)

    def labels(self) -> list[Label]:
        """Return the label of each point, where it covers no other and no point if it can."""
        taken = [self._point_box(point) for point in self.points]
        found = []
        for point in self.points:
            places = self._places(point)
            free = (label for label in places if not any(_meet(label.box, it) for it in taken))
            label = next(free, places[0])
            taken.append(label.box)
            found.append(label)
        return found

    @property
    def _cost_range(self) -> tuple[float, float]:
        values = [point.cost for point in self.points]
        return min(values), max(values)

    def _point_box(self, point: Point) -> tuple[float, float, float, float]:
        """Return what a point and its interval cover."""
        x, y = self.x(point.cost), self.y(point.value)
        return x - 5, min(y - 5, self.y(point.high)), x + 5, max(y + 5, self.y(point.low))

    def _places(self, point: Point) -> list[Label]:
        """Return labels of a point inside the drawing, right and left of it, then further off."""
        text, x, y = shortened(point.name, LETTERS), self.x(point.cost), self.y(point.value) + 4
        heights = [y + step * LINE for step in (0, -1, 1, -2, 2, -3, 3, -4, 4)]
        labels = [
            Label(x - 8 if left else x + 8, height, text, left)
            for height in heights
            if self.box.top <= height <= self.box.bottom - 3
            for left in (False, True)
        ]
        inside = [it for it in labels if it.box[0] >= self.box.left and it.box[2] <= self.box.width]
        return inside or labels


def cost_charts(items: Sequence[Compared]) -> list[CostChart]:
    """Return a chart for each figure that two runs have by one protocol, at most `MOST`.

    Accuracies and distances come first. Figures of which neither a higher nor a lower value is
    better are left out, and so are those of runs that cost the same, as far as that is known.
    """
    named = sorted(figures_of(items), key=lambda figure: figure.term)
    figures = [widest(group) for _, group in groupby(named, key=lambda figure: figure.term)]
    shared = [figure for figure in figures if figure.spec["better"] and len(figure.tables) > 1]
    shared.sort(key=lambda it: FIRST.index(it.name) if it.name in FIRST else len(FIRST))
    charts = (_chart(items, figure) for figure in shared)
    return [chart for chart in charts if chart is not None][:MOST]


def decades(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten that just enclose two positive numbers."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{factor}e{power}") for power in powers for factor in (1, 2, 5)]
    begin = max(at for at, tick in enumerate(ticks) if tick <= low)
    end = min(at for at, tick in enumerate(ticks) if tick >= high)
    return ticks[begin : end + 1]


def _chart(items: Sequence[Compared], figure: EvaluatedFigure) -> CostChart | None:
    """Return the chart over the first cost that is known to differ; None where none is."""
    for cost, values in costs(items, figure.lines).items():
        known = {
            at: value
            for at, table in figure.tables.items()
            if (value := values[at]) is not None and _fits(value, table)
        }
        if len({*known.values()}) > 1:
            return _chart_over(items, figure, cost, known)
    return None


def _chart_over(
    items: Sequence[Compared], figure: EvaluatedFigure, cost: str, known: Mapping[int, float]
) -> CostChart:
    """Return the chart over a cost, which is known of the runs at these places."""
    size, cost = _unit(cost, min(known.values()))
    spec = figure.spec
    said = ["%" if spec["share"] else spec["unit"], f"{spec['better']} is better", figure.protocol]
    return CostChart(
        figure.words,
        ", ".join(filter(None, said)),
        cost,
        [_point(at, items[at].name, known[at] / size, figure.tables[at]) for at in known],
        [items[at].name for at in figure.tables if at not in known],
    )


def _fits(cost: float, table: FigureTable) -> bool:
    """Return whether a chart can show numbers, which may be a stranger's."""
    ends = table["value"], table.get("low", 0.0), table.get("high", 0.0)
    return max(map(abs, (cost, *ends))) <= LARGEST_VALUE


def _unit(cost: str, least: float) -> tuple[float, str]:
    """Return by what a cost is divided in a chart whose least one this is, and its name then."""
    larger = UNITS.get(cost, ())
    return next(((size, name) for begin, size, name in larger if least >= begin), (1, cost))


def _point(at: int, name: str, cost: float, table: FigureTable) -> Point:
    """Return the point of the run at a place."""
    factor, value = 100 if table["share"] else 1, table["value"]
    low, high = table.get("low", value), table.get("high", value)
    text, interval = figure_cells(table)
    text = f"{text} ({interval})" if interval else text
    return Point(at, name, cost, factor * value, factor * low, factor * high, text)


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Return whether two boxes (left, top, right, bottom) have a common point."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
