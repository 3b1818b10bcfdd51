"""Curves as SVG inside a page: coloured by its style sheet, read out by its script."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gtk.pictures.markup import escaped, isolated

#: The drawing's own units, about pixels: all of it, and what numbers and names take on each side.
WIDTH, HEIGHT = 400, 250
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 10, 40
#: Points of a curve that are drawn; more than there are pixels show nothing more.
MOST_POINTS = 300


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
class Axes:
    """Where steps and values are in a drawing.

    Attributes:
        last: the last step; the first is 0.
        ticks: the values that are written beside the axis; they enclose all others.
    """

    last: float
    ticks: Sequence[float]

    def x(self, step: float) -> float:
        """Return the place of a step."""
        return round(LEFT + step / self.last * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Return the place of a value."""
        up = (value - self.ticks[0]) / (self.ticks[-1] - self.ticks[0])
        return round(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 1)


def chart(title: str, unit: str, curves: Sequence[Curve], last: float) -> str:
    """Return a figure with one term's curves over the steps.

    Args:
        title: the term.
        unit: of its values.
        curves: at least one, with at least one point each.
        last: the last step of the axis, the same in all charts of a page.
    """
    values = [value for curve in curves for _, value in curve.points]
    axes = Axes(max(last, 1), nice_ticks(min(values), max(values)))
    ends = "; ".join(f"{curve.name} {curve.points[-1][1]:.4g}" for curve in curves)
    name = escaped(title.replace("_", " "))
    label = f"{name}, {escaped(unit)}, by step. Last values: {escaped(ends)}. Arrow keys read it."
    return (
        f'<figure class="chart"><figcaption>{name} <small>{escaped(unit)}</small></figcaption>\n'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" tabindex="0" aria-label="{label}" '
        f'data-last="{axes.last:g}" data-left="{LEFT}" data-right="{WIDTH - RIGHT}">\n'
        f"{_value_axis(axes)}{_step_axis(axes)}{''.join(_line(axes, curve) for curve in curves)}"
        f'<line class="cursor" y1="{TOP}" y2="{HEIGHT - BOTTOM}" visibility="hidden"/></svg>\n'
        '<output class="readout" aria-live="polite"></output></figure>\n'
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


def _value_axis(axes: Axes) -> str:
    step = axes.ticks[1] - axes.ticks[0]
    return "".join(
        f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{axes.y(tick)}" '
        f'y2="{axes.y(tick)}"/><text x="{LEFT - 7}" y="{axes.y(tick) + 4:.1f}" class="end">'
        f"{tick_text(tick, step)}</text>\n"
        for tick in axes.ticks
    )


def _step_axis(axes: Axes) -> str:
    ticks = nice_ticks(0, axes.last)
    shown = [tick for tick in ticks if tick <= axes.last]
    numbers = "".join(
        f'<text x="{axes.x(tick)}" y="{HEIGHT - BOTTOM + 17}" class="middle">'
        f"{tick_text(tick, ticks[1])}</text>"
        for tick in shown
    )
    middle = (LEFT + WIDTH - RIGHT) / 2
    return f'{numbers}<text x="{middle}" y="{HEIGHT - 5}" class="middle name">step</text>\n'


def _line(axes: Axes, curve: Curve) -> str:
    points = thinned(curve.points)
    places = [f"{axes.x(step)},{axes.y(value)}" for step, value in points]
    data = " ".join(f"{step:g},{value:.6g}" for step, value in points)
    facts = f'class="{curve.style}" data-name="{escaped(curve.name)}" data-points="{data}"'
    if len(points) == 1:  # a line of one point would not show
        x, y = places[0].split(",")
        return f'<circle {facts} cx="{x}" cy="{y}" r="4.5"/>\n'
    return f'<polyline {facts} points="{" ".join(places)}"/>\n'


def term_points(
    reports: Sequence[Mapping[str, Any]], split: str, term: str
) -> list[tuple[float, float]]:
    """Return (step, value) of a term in the lines of metrics.jsonl that are of a split."""
    return [
        (line["step"], line["terms"][term])
        for line in reports
        if line["split"] == split and term in line["terms"]
    ]


def legend(items: Sequence[tuple[str, str, bool]]) -> str:
    """Return what each line of the charts stands for: its name, its style, whether it is a mark."""
    entries = "".join(
        f'<li><svg viewBox="0 0 24 12" aria-hidden="true">{_sign(style, mark=mark)}</svg>'
        f"{isolated(name)}</li>"
        for name, style, mark in items
    )
    return f'<ul class="legend">{entries}</ul>\n'


def _sign(style: str, *, mark: bool) -> str:
    if mark:
        return f'<circle class="{style}" cx="12" cy="6" r="4.5" fill="currentColor"/>'
    return f'<polyline class="{style}" points="1,6 23,6"/>'
