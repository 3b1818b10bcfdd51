"""Quality against cost: points where their numbers are, and names beside them."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

from gtk.core.storage.comparison import Compared
from gtk.core.storage.evaluations import EvaluationLine
from gtk.pictures.cost_chart import CostChart, Point, cost_charts, decades
from gtk.pictures.page import templates

BOX = CostChart.box


def svg(chart: CostChart) -> str:
    """Return a chart as a page has it."""
    module: Any = templates().get_template("cost_chart.html").module
    return str(module.cost_figure(chart))


def chart(*points: tuple[float, float], bar: float = 0.0, **changed: Any) -> CostChart:
    """Return a chart with points at (cost, value) of runs called a, b, ..."""
    found = [
        Point(at, chr(ord("a") + at), cost, value, value - bar, value + bar, f"{value}")
        for at, (cost, value) in enumerate(points)
    ]
    given: dict[str, Any] = {"name": "metric figure", "unit": "", "cost": "seconds", **changed}
    return CostChart(points=given.pop("points", found), **given)


def line(protocol: str = "aa", images: int = 9, evaluations: int = 1, **figures: Any) -> Any:
    """Return an evaluation; a figure is (value, better), and perhaps more of its table."""
    tables: Any = {
        name: {"value": value, "unit": "", "share": False, "better": better, **dict(*more)}
        for name, (value, better, *more) in figures.items()
    }
    return EvaluationLine(
        metric="metric", hash=protocol, figures=tables, details={}, protocol={"images": images},
        made={"evaluations": evaluations}, created="",
    )  # fmt: skip


def run(name: str, seconds: float | None, *lines: EvaluationLine, parameters: int = 7) -> Compared:
    """Return a run with these evaluations."""
    document: Any = {"networks": {"decoder": parameters}}
    stub: Any = SimpleNamespace(document=document)
    return Compared(name, stub, evaluations=lines, seconds=seconds)


def test_points_are_where_their_numbers_are() -> None:
    text = svg(chart((20, 1), (100, 3)))
    circles = [tuple(map(float, pair)) for pair in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', text)]
    width = BOX.right - BOX.left
    assert circles == [(BOX.left + width / 5, BOX.bottom), (BOX.right, BOX.top)], "0 to 100, 1 to 3"
    assert 'class="run0"' in text
    assert 'class="run1"' in text
    assert "logarithmic" not in text
    assert "interval" not in text


def test_costs_of_more_than_ten_times_have_a_logarithmic_axis() -> None:
    one = chart((10, 1), (100, 2), (1000, 3))
    assert one.logarithmic
    text = svg(one)
    assert [float(x) for x in re.findall(r'cx="([\d.]+)"', text)] == [
        BOX.left, BOX.centre[0], BOX.right
    ]  # fmt: skip
    assert "seconds, logarithmic" in text
    assert [place for place in one.cost_axis() if place[1] == "1,000"] == [(BOX.right, "1,000")]
    assert not chart((10, 1), (100, 2)).logarithmic
    assert not chart((0, 1), (100, 2)).logarithmic


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1, 100, [1, 2, 5, 10, 20, 50, 100]),
        (0.3, 6, [0.2, 0.5, 1, 2, 5, 10]),
        (1e-9, 2e-9, [1e-9, 2e-9]),
    ],
)
def test_ticks_of_factors_enclose_all(low: float, high: float, ticks: list[float]) -> None:
    assert decades(low, high) == ticks


@pytest.mark.parametrize("high", [1e3, 1e9, 1e100])
def test_a_long_axis_has_few_texts(high: float) -> None:
    texts = [text for _, text in chart((1, 1), (high, 2)).cost_axis()]
    assert len(set(texts)) == len(texts)
    assert 3 <= len(texts) <= 6


def test_intervals_are_bars_inside_the_drawing() -> None:
    one = chart((10, 50), (20, 90), bar=30)
    text = svg(one)
    bars = re.findall(r'class="interval".*? y1="([\d.]+)" y2="([\d.]+)"', text)
    assert bars == [(str(one.y(80)), str(one.y(20))), (str(one.y(120)), str(one.y(60)))]
    assert BOX.top <= one.y(120) < one.y(20) <= BOX.bottom


def test_names_stand_beside_their_points_inside_the_drawing() -> None:
    one = chart((20, 1), (100, 3))
    first, last = one.labels()
    assert (first.text, first.left) == ("a", False)
    assert first.x > one.x(20)
    assert (last.text, last.left) == ("b", True), "it has no room at the right edge"
    assert last.x < one.x(100)
    names = re.findall(r'<text class="run(\d) name( end)?"[^>]*>(\w+)<', svg(one))
    assert names == [("0", "", "a"), ("1", " end", "b")]
    long = [Point(0, "n" * 90, 20, 1, 1, 1, ""), Point(1, "m" * 15, 100, 3, 3, 3, "")]
    cut, turned = chart(points=long).labels()
    assert len(cut.text) < 30
    assert turned.left
    for label in (cut, turned):
        assert label.box[0] >= BOX.left
        assert label.box[2] <= BOX.width


def test_names_of_near_points_do_not_cover_each_other() -> None:
    labels = chart(*[(100 + at / 10, 3 + at / 1000) for at in range(8)], (10, 1), (20, 2)).labels()
    boxes = [label.box for label in labels]
    for at, one in enumerate(boxes):
        for other in boxes[:at]:
            apart = one[0] >= other[2] or other[0] >= one[2]
            assert apart or one[1] >= other[3] or other[1] >= one[3]


def test_names_do_not_act() -> None:
    nasty = [Point(at, "<script>", at + 1, at, at, at, "") for at in range(2)]
    assert "<script" not in svg(chart(points=nasty, left_out=["<script>"]))


def test_figures_with_a_direction_that_two_runs_share_have_a_chart() -> None:
    figures = {"distance": (2.0, "lower"), "real": (1.0, ""), "alone": (1.0, "higher")}
    items = [run("a", 30, line(**figures)), run("b", 60, line(distance=(1.0, "lower")))]
    (found,) = cost_charts(items)
    assert (found.name, found.unit) == ("metric distance", "lower is better, aa")
    assert found.cost == "seconds of training"
    assert [(it.name, it.cost, it.value) for it in found.points] == [("a", 30, 2.0), ("b", 60, 1.0)]


def test_fewer_than_two_runs_or_unlike_protocols_have_none() -> None:
    one = run("a", 30, line(distance=(2.0, "lower")))
    assert cost_charts([one]) == []
    assert cost_charts([one, run("b", 60)]) == []
    assert cost_charts([one, run("b", 60, line("bb", distance=(2.0, "lower")))]) == []


def test_one_protocol_is_drawn() -> None:
    items = [
        run(name, seconds, line("few", images=9, distance=(1.0, "lower")),
            line("many", images=99, distance=(value, "lower")))
        for name, seconds, value in (("a", 10, 4.0), ("b", 20, 5.0))
    ]  # fmt: skip
    (found,) = cost_charts(items)
    assert [point.value for point in found.points] == [4.0, 5.0]
    assert found.unit.endswith("many")


def test_accuracies_and_distances_come_first_and_four_are_enough() -> None:
    names = ("a", "b", "c", "distance", "accuracy", "d")
    items = [run(it, cost, line(**dict.fromkeys(names, (1.0, "lower"))))
             for it, cost in (("one", 1), ("two", 2))]  # fmt: skip
    found = [it.name for it in cost_charts(items)]
    assert found == ["metric accuracy", "metric distance", "metric a", "metric b"]


def test_shares_are_in_percent_with_their_intervals() -> None:
    ends = {"share": True, "low": 0.5, "high": 0.7}
    items = [run(name, cost, line(accuracy=(0.6, "higher", ends)))
             for name, cost in (("a", 1), ("b", 2))]  # fmt: skip
    (found,) = cost_charts(items)
    assert found.unit == "%, higher is better, aa"
    assert found.points[0] == Point(0, "a", 1, 60.0, 50.0, 70.0, "60.00% (50.00% to 70.00%)")
    assert [text for _, text in found.value_axis()] == ["50", "55", "60", "65", "70"]


def test_another_cost_stands_for_seconds_that_are_not_known() -> None:
    figure = {"distance": (1.0, "lower")}

    def cost(*items: Compared) -> str:
        return str([it.cost for it in cost_charts([*items])])

    steps = [run("a", 5, line(evaluations=8, **figure)), run("b", None, line(**figure))]
    assert cost(*steps) == "['evaluations for an image']"
    sizes = [run(name, None, line(**figure), parameters=size)
             for name, size in (("a", 2_000_000), ("b", 9_000_000))]  # fmt: skip
    assert cost(*sizes) == "['million parameters']"
    assert cost(*(run(name, None, line(**figure)) for name in "ab")) == "[]", "all cost the same"


def test_runs_whose_cost_is_not_known_are_named() -> None:
    items = [run(name, cost, line(distance=(1.0, "lower")))
             for name, cost in (("a", 7200.0), ("b", 9000.0), ("old", None))]  # fmt: skip
    (found,) = cost_charts(items)
    assert found.left_out == ["old"]
    assert [point.cost for point in found.points] == [2.0, 2.5]
    assert "Without <bdi>old</bdi>, whose hours of training are not known." in svg(found)


@pytest.mark.parametrize("value", [1e308, -1e308])
def test_numbers_of_a_stranger_are_left_out(value: float) -> None:
    items = [run(name, cost, line(distance=(value, "lower")))
             for name, cost in (("a", 1.0), ("b", 2.0))]  # fmt: skip
    assert cost_charts(items) == []
    good = [run("a", 5e-324, line(distance=(1.0, "lower"))),
            run("b", 1e100, line(distance=(1.0, "lower")))]  # fmt: skip
    assert svg(cost_charts(good)[0])
