"""Curves inside a page: round numbers, and points where they belong."""

import re
from typing import Any

import numpy as np
import pytest

from gtk.pictures.chart import (
    BOX,
    MOST_POINTS,
    Chart,
    Curve,
    nice_ticks,
    thinned,
    tick_text,
)
from gtk.pictures.page import templates


def figure(chart: Chart) -> str:
    """Return a chart as a page has it."""
    module: Any = templates().get_template("chart.html").module
    return str(module.chart_figure(chart))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 100, [0, 50, 100]),
        (20.3, 41.8, [20, 30, 40, 50]),
        (-0.13, 0.8, [-0.5, 0, 0.5, 1]),
        (3, 3, [2.6, 2.8, 3, 3.2, 3.4]),
    ],
)
def test_ticks_are_round_and_enclose_all(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize("value", [0.0, 1e-30, -5.0, 1e30, 22.148479461669922])
def test_a_single_value_has_an_axis_too(value: float) -> None:
    ticks = nice_ticks(value, value)
    assert ticks[0] <= value <= ticks[-1]
    assert 2 <= len(ticks) <= 8


def test_ticks_of_any_range_are_few() -> None:
    generator = np.random.default_rng(0)
    for low, size in zip(
        generator.normal(0, 1e4, 300), 10.0 ** generator.uniform(-3, 6, 300), strict=True
    ):
        ticks = nice_ticks(low, low + size)
        assert ticks[0] <= low + 1e-6 * size
        assert ticks[-1] >= low + size * (1 - 1e-6)
        assert 3 <= len(ticks) <= 7
        texts = [tick_text(tick, ticks[1] - ticks[0]) for tick in ticks]
        assert len(set(texts)) == len(texts) or size / abs(low) < 1e-3


def test_points_are_where_their_numbers_are() -> None:
    curve = Curve("training", "train", [(0, 10), (50, 30), (100, 50)])
    text = figure(Chart("kl", "nats", [curve], 100))
    (points,) = re.findall(r'<polyline [^>]* points="([^"]*)"', text)
    places = [tuple(map(float, point.split(","))) for point in points.split()]
    assert places[0] == (BOX.left, BOX.bottom)
    assert places[1] == pytest.approx(BOX.centre)
    assert places[2] == (BOX.right, BOX.top)
    assert 'data-points="0,10 50,30 100,50"' in text
    assert "Last values: training 50" in text


def test_a_single_point_is_a_mark() -> None:
    text = figure(Chart("loss", "nats", [Curve("test", "test", [(9, 1.5)])], 9))
    assert "<polyline" not in text
    assert 'data-points="9,1.5" cx=' in text


def test_many_points_are_thinned_and_keep_their_ends() -> None:
    points = [(float(step), float(step % 7)) for step in range(100_001)]
    few = thinned(points)
    assert len(few) == MOST_POINTS
    assert (few[0], few[-1]) == (points[0], points[-1])
    assert set(few) <= set(points)
