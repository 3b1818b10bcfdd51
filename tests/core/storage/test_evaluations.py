"""evaluations.jsonl: figures of evaluations, a line each."""

import json
from pathlib import Path
from typing import Any

import pytest

import gtk
from gtk.core.storage.evaluations import (
    EVALUATIONS,
    EvaluationLine,
    add_evaluations,
    figure_cells,
    latest,
    read_evaluations,
)


def line(metric: str) -> EvaluationLine:
    """Return a line with one figure."""
    figures: Any = {"value": {"value": 1.5, "low": 1.0, "high": 2.0, "unit": "nats",
                              "share": False, "better": "lower"}}  # fmt: skip
    return EvaluationLine(
        metric=metric, hash="0a1b2c3d", figures=figures, details={"classes": {"é": 1}},
        protocol={"images": 3}, made={"run": "a", "step": 8}, created="2026-01-01T00:00:00+00:00",
    )  # fmt: skip


def test_lines_are_added_and_read(tmp_path: Path) -> None:
    assert read_evaluations(tmp_path) == []
    add_evaluations(tmp_path, [line("a"), line("b")])
    add_evaluations(tmp_path, [line("c")])
    assert read_evaluations(tmp_path) == [line("a"), line("b"), line("c")]


def test_a_line_that_a_kill_cut_off_is_left_out(tmp_path: Path) -> None:
    add_evaluations(tmp_path, [line("a"), line("b")])
    path = tmp_path / EVALUATIONS
    path.write_bytes(path.read_bytes()[:-20])
    assert read_evaluations(tmp_path) == [line("a")]
    add_evaluations(tmp_path, [line("c")])
    assert read_evaluations(tmp_path) == [line("a"), line("c")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"metric": 3}\n', "is damaged"),
        (b'{"metric": "a"}\n{"x": 1}\n', "is damaged"),
        (json.dumps({**line("a"), "made": {"sampler": 3}}).encode() + b"\n", "sampler"),
        (json.dumps({**line("a"), "protocol": {}}).encode() + b"\n", "images"),
        (b"[[[\n", "is damaged"),
    ],
)
def test_damaged_lines_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / EVALUATIONS).write_bytes(content)
    with pytest.raises(gtk.InvalidValue, match=message):
        read_evaluations(tmp_path)


def test_the_last_of_each_protocol_counts() -> None:
    one, other, again = line("a"), line("a"), line("a")
    other["hash"] = "ffffffff"
    again["made"] = {"run": "b"}
    assert latest([one, other, again]) == [again, other]


def test_figures_are_shown_with_unit_and_interval() -> None:
    table = line("a")["figures"]["value"]
    assert figure_cells(table) == ("1.500 nats", "1.000 to 2.000")
    del table["low"]
    assert figure_cells(table | {"share": True, "unit": ""}) == ("150.00%", "")  # type: ignore[arg-type]


def test_no_number_that_json_lacks_is_written(tmp_path: Path) -> None:
    bad = line("a")
    bad["figures"]["value"]["value"] = float("nan")
    with pytest.raises(ValueError, match="not JSON compliant"):
        add_evaluations(tmp_path, [bad])
    assert read_evaluations(tmp_path) == []


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (tmp_path / EVALUATIONS).symlink_to(elsewhere)
    with pytest.raises(gtk.GtkError, match="cannot be written"):
        add_evaluations(tmp_path, [line("a")])
    assert elsewhere.read_text() == "mine"
