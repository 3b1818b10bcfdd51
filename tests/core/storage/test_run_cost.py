"""What runs cost: time, evaluations, parameters."""

import json
import shutil
from pathlib import Path
from typing import Any

import gtk
from gtk.core.storage.comparison import caveats, compared
from gtk.core.storage.evaluations import EvaluationLine, add_evaluations
from gtk.core.storage.run_cost import EVALUATIONS, PARAMETERS, SECONDS, cost_rows
from gtk.core.storage.training_time import TIMING, write_training_seconds


def copied(run: gtk.Run, path: Path, seconds: float | None, evaluations: int | None) -> gtk.Run:
    """Copy a run, with these costs."""
    shutil.copytree(run.path, path)
    (path / TIMING).unlink()
    if seconds is not None:
        write_training_seconds(path, seconds)
    if evaluations is not None:
        made: Any = {"evaluations": evaluations}
        line = EvaluationLine(
            metric="m", hash="aa", figures={}, details={}, protocol={"images": 9}, made=made,
            created="",
        )  # fmt: skip
        add_evaluations(path, [line])
    return gtk.Run(path)


def test_costs_that_are_known_have_a_row_with_the_cheapest_run_first(
    small_run: gtk.Run, tmp_path: Path
) -> None:
    given = [(1234.56, 16), (None, None), (7.0, 1)]
    runs = [copied(small_run, tmp_path / str(at), *cost) for at, cost in enumerate(given)]
    document = json.loads((runs[1].path / "run.json").read_text())
    networks = document.pop("networks")
    (runs[1].path / "run.json").write_text(json.dumps(document))
    rows = cost_rows(compared([runs[0], gtk.Run(runs[1].path), runs[2]]))
    count = f"{sum(networks.values()):,}"
    assert [(row.name, row.values, row.order) for row in rows] == [
        (SECONDS, ["1,234.6", None, "7.0"], [2, 0, 1]),
        (EVALUATIONS, ["16", None, "1"], [2, 0, 1]),
        (PARAMETERS, [count, None, count], []),
    ]


def test_costs_that_no_run_has_have_no_row(small_run: gtk.Run, tmp_path: Path) -> None:
    runs = [copied(small_run, tmp_path / name, None, None) for name in ("one", "two")]
    assert [row.name for row in cost_rows(compared(runs))] == [PARAMETERS]


def test_a_damaged_time_is_named_and_costs_nothing_else(small_run: gtk.Run, tmp_path: Path) -> None:
    run = copied(small_run, tmp_path / "one", None, 3)
    (run.path / TIMING).write_text("{")
    items = compared([run, small_run])
    assert [row.name for row in cost_rows(items)] == [SECONDS, EVALUATIONS, PARAMETERS]
    (text,) = caveats(items)
    assert "timing.json is damaged" in text
