"""The table of quality for the same time: what is missing of it, and its page."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.quality import __main__ as command
from benchmarks.quality.cell import Cell, cells
from benchmarks.quality.page import PAGE, ROWS, described, figure, page, read_rows


def row(seed: int, accuracy: float, **changed: Any) -> dict[str, Any]:
    figures = {
        "class-accuracy.accuracy": [accuracy, accuracy - 0.01, accuracy + 0.01],
        "neighbours.recall": [0.45, 0.4, 0.5],
        "neighbours.real_recall": [0.9, None, None],
    }
    return {
        "data": "mnist", "family": "cvae", "seed": seed, "minutes": 10.0, "threads": 2,
        "date": "2026-01-01", "torch": "2", "epochs": 7, "seconds": 590.0, "parameters": 1234,
        "memory_mib": 900, "file_kib": 12, "evaluations": 1, "judge": 0.997, "figures": figures,
        **changed,
    }  # fmt: skip


def test_the_page_is_what_the_rows_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(read_rows(ROWS)), (
        "make it again: python -m benchmarks.quality --page"
    )


def test_one_seed_of_all_comes_before_the_next() -> None:
    found = [(cell.data, cell.family, cell.seed) for cell in cells(
        ["mnist", "cifar10"], ["vae", "gan"], None, 10, 2
    )]  # fmt: skip
    assert found[:4] == [
        ("mnist", "vae", 0), ("mnist", "gan", 0), ("cifar10", "vae", 0), ("cifar10", "gan", 0),
    ]  # fmt: skip
    assert found[4:] == [("mnist", family, seed) for seed in (1, 2) for family in ("vae", "gan")]


def test_a_row_is_of_any_cell_with_as_many_minutes_of_a_core() -> None:
    stored = row(0, 0.9)
    assert Cell("mnist", "cvae", 0, 20, 1).is_of(stored)
    assert not Cell("mnist", "cvae", 0, 10, 1).is_of(stored)
    assert not Cell("mnist", "cvae", 1, 10, 2).is_of(stored)
    assert not Cell("mnist", "vae", 0, 10, 2).is_of(stored)


def test_figures_are_with_their_interval_or_the_spread_of_seeds() -> None:
    one, other = row(0, 0.9), row(1, 0.94)
    name = "class-accuracy.accuracy"
    assert figure([one], name, share=True) == "90% (89 to 91)"
    assert figure([one, other], name, share=True) == "92% ± 2.8"
    recall = figure([one], "neighbours.recall", share=True, of="neighbours.real_recall")
    assert recall == "50% (44.4 to 55.6)"
    assert figure([one], "frechet-distance.distance") == "", "of a figure that the row lacks"


def test_a_training_far_beyond_its_budget_is_marked() -> None:
    assert "9.8 min" in described([row(0, 0.9)])
    assert "11.7 min !" in described([row(0, 0.9, seconds=700.0)])


def test_a_family_that_was_not_trained_says_so() -> None:
    text = page([row(0, 0.9)])
    assert "| `cvae` | 90% (89 to 91) |" in text
    assert "| `flow` | not run |" in text
    assert "the judge is right about 99.70% of the test images" in text


@pytest.mark.long
def test_what_is_done_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.json"
    line = ["quality", "--data", "digits", "--families", "cvae", "--minutes", "0.01"]
    line += ["--threads", "1", "--samples", "300", "--work", str(tmp_path), "--rows", str(rows)]
    monkeypatch.setattr(sys, "argv", line)
    command.main()
    (found,) = json.loads(rows.read_text())
    assert found["epochs"] >= 1
    assert found["figures"]["class-accuracy.accuracy"][0] > 0.05
    assert found["memory_mib"] > 50
    before = rows.read_bytes()
    capsys.readouterr()
    command.main()
    assert rows.read_bytes() == before
    assert capsys.readouterr().out == ""
