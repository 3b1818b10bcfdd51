"""The order of runs: by figures of one protocol, and by terms that compare."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import gtk
from gtk.core.storage.comparison import compared
from gtk.core.storage.evaluations import EvaluationLine, add_evaluations
from gtk.core.storage.run_order import ordered
from gtk.core.values.errors import UnknownName


@pytest.fixture
def make(small_run: gtk.Run, tmp_path: Path) -> Any:
    """Return a function that copies the small run, with values of the figure of a metric."""

    def copy(name: str, *values: tuple[str, float], **tables: dict[str, Any]) -> gtk.Run:
        path = shutil.copytree(small_run.path, tmp_path / name)
        document = json.loads((path / "run.json").read_text())
        for table, entries in tables.items():
            document[table] = document[table] | entries
        (path / "run.json").write_text(json.dumps(document))
        for protocol, value in values:
            evaluate(gtk.Run(path), protocol, value)
        return gtk.Run(path)

    return copy


def evaluate(
    run: gtk.Run, protocol: str, value: float, *, better: str = "lower", images: int = 9
) -> None:
    """Add an evaluation: a distance, lower is better unless told, an accuracy, and `real`."""
    figures: Any = {
        "distance": {"value": value, "unit": "", "share": False, "better": better},
        "accuracy": {"value": value / 100, "unit": "", "share": True, "better": "higher"},
        "real": {"value": value, "unit": "", "share": False, "better": ""},
    }
    line = EvaluationLine(
        metric="some-metric", hash=protocol, figures=figures, details={},
        protocol={"images": images}, made={}, created="2026",
    )  # fmt: skip
    add_evaluations(run.path, [line])


def names(runs: list[gtk.Run], wanted: str) -> list[str]:
    return [item.name for item in ordered(compared(runs), wanted)[0]]


def test_the_best_comes_first_whichever_way_is_better(make: Any) -> None:
    runs = [make(name, ("aa", value)) for name, value in (("a", 5.0), ("b", 2.0), ("c", 9.0))]
    assert names(runs, "some-metric.distance") == ["b", "a", "c"]
    assert names(runs, "some-metric.accuracy") == ["c", "a", "b"]
    texts = [ordered(compared(runs), f"some-metric.{name}")[1] for name in ("distance", "accuracy")]
    assert texts == [
        "Best first by some-metric distance (aa): lower is better.",
        "Best first by some-metric accuracy (aa): higher is better.",
    ]


def test_runs_without_the_figure_are_last_and_equal_ones_stay(make: Any) -> None:
    given = [("none",), ("b", ("aa", 2.0)), ("bare",), ("a", ("aa", 2.0)), ("best", ("aa", 1.0))]
    runs = [make(*one) for one in given]
    assert names(runs, "some-metric.distance") == ["best", "b", "a", "none", "bare"]
    assert names(runs[:3], "some-metric.distance") == ["b", "none", "bare"], "one has it"


def test_the_protocol_that_most_runs_share_decides(make: Any) -> None:
    runs = [
        make("a", ("few", 1.0), ("many", 5.0)),
        make("b", ("few", 2.0), ("many", 3.0)),
        make("c", ("many", 4.0)),
        make("d", ("other", 0.1)),
    ]
    assert names(runs, "some-metric.distance") == ["b", "c", "a", "d"]
    assert "(many)" in ordered(compared(runs), "some-metric.distance")[1]


def test_of_two_shared_protocols_that_of_more_images_decides(make: Any) -> None:
    one, two = make("one"), make("two")
    for run, (large, small) in ((one, (5.0, 1.0)), (two, (4.0, 2.0))):
        evaluate(run, "large", large, images=10_000)
        evaluate(run, "small", small, images=1_000)
    assert names([one, two], "some-metric.distance") == ["two", "one"]


def test_figures_of_unlike_protocols_order_nothing(make: Any) -> None:
    runs = [make("one", ("aa", 1.0)), make("two", ("bb", 2.0)), make("three")]
    with pytest.raises(gtk.InvalidValue, match="each has it by another protocol. Evaluate the"):
        ordered(compared(runs), "some-metric.distance")


def test_a_figure_without_a_direction_orders_nothing(make: Any) -> None:
    runs = [make("one", ("aa", 1.0)), make("two", ("aa", 2.0))]
    with pytest.raises(gtk.InvalidValue) as raised:
        ordered(compared(runs), "some-metric.real")
    assert str(raised.value).endswith("these can: some-metric.distance, some-metric.accuracy")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("some-metric.distence", "Did you mean 'some-metric.distance'?"),
        ("lost", "Did you mean 'loss'?"),
        ("x.y", "Known: kl, loss, reconstruction, some-metric.accuracy, some-metric.distance."),
        ("mean over images", "unknown figure or term of these runs"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(make: Any, wanted: str, message: str) -> None:
    runs = [make("one", ("aa", 1.0)), make("two")]
    with pytest.raises(UnknownName) as raised:
        ordered(compared(runs), wanted)
    assert message in str(raised.value)


def test_terms_order_runs_by_their_last_values_on_test_images(make: Any) -> None:
    one, two, empty = make("one"), make("two"), make("empty")
    (empty.path / "metrics.jsonl").unlink()
    lines = two.metrics()
    assert lines[-1]["split"] == "test"
    lines[-1]["terms"] = {"loss": 1.0, "kl": 1e6}
    (two.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert names([empty, one, two], "loss") == ["two", "one", "empty"]
    assert names([empty, two, one], "kl") == ["one", "two", "empty"]
    assert ordered(compared([one, two]), "kl")[1] == "Lowest first by kl of the test images."


def test_terms_that_do_not_compare_order_nothing(make: Any) -> None:
    one, other = make("one"), make("other", loss={"beta": 4.0})
    with pytest.raises(gtk.InvalidValue, match="beta differs. Order them by a figure"):
        ordered(compared([one, other]), "loss")
    assert names([one, other], "kl") == ["one", "other"], "the terms do"
    data = make("data", data={"name": "mnist"})
    with pytest.raises(gtk.InvalidValue, match="data differs"):
        ordered(compared([one, data]), "kl")
