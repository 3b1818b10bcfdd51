"""How runs differ, and which of their figures compare."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import gtk
from gtk.core.storage.comparison import (
    Compared,
    caveats,
    compared,
    differing_settings,
    evaluated_figures,
    final_terms,
)
from gtk.core.storage.evaluations import EVALUATIONS, EvaluationLine, add_evaluations


@pytest.fixture
def make(small_run: gtk.Run, tmp_path: Path) -> Any:
    """Return a function that copies the small run with other settings."""

    def copy(name: str, **tables: dict[str, Any]) -> gtk.Run:
        path = shutil.copytree(small_run.path, tmp_path / name)
        document = json.loads((path / "run.json").read_text())
        for table, values in tables.items():
            document[table] = document[table] | values
        (path / "run.json").write_text(json.dumps(document))
        return gtk.Run(path)

    return copy


def named(items: list[Compared]) -> dict[str, list[Any]]:
    return {row.name: list(row.values) for row in differing_settings(items)}


def test_runs_of_the_same_settings_differ_in_nothing(make: Any) -> None:
    items = compared([make("one"), make("two", data={"root": "/elsewhere"})])
    assert differing_settings(items) == []
    assert caveats(items) == []


def test_only_settings_that_differ_are_named(make: Any) -> None:
    runs = [
        make("one"),
        make("two", train={"epochs": 40}, model={"latent_dim": 2}),
        make("three", loss={"beta": 0.5}, conditioner={"name": "film"}),
    ]
    assert named(compared(runs)) == {
        "model latent_dim": [16, 2, 16],
        "conditioner": ["onehot", "onehot", "film"],
        "loss beta": [0.4, 0.4, 0.5],
        "epochs": [20, 40, 20],
    }


def test_two_folders_are_two_data_sets(make: Any) -> None:
    runs = [
        make(name, data={"name": "folder", "root": f"/{name}/train"}, data_spec={"name": "train"})
        for name in ("cats", "dogs")
    ]
    names = ["folder:/cats/train", "folder:/dogs/train"]
    assert named(compared(runs)) == {"data": names}
    assert caveats(compared(runs)) == [
        f"The losses' figures do not compare: data differs ({', '.join(names)})."
    ]


def test_options_that_one_plugin_alone_has_are_left_out(make: Any) -> None:
    items = compared([make("one"), make("two", loss={"name": "other", "depth": 3})])
    assert named(items) == {"loss": ["elbo", "other"]}


def test_figures_stand_by_split_with_their_units(make: Any) -> None:
    run = make("one")
    lines = run.metrics()
    rows = final_terms(compared([run, make("two")]))
    assert [(row.split, row.name) for row in rows] == [
        (split, name) for split in ("test", "train") for name in ("loss", "reconstruction", "kl")
    ]
    assert rows[0].values == [lines[-1]["terms"]["loss"]] * 2
    assert rows[3].values == [lines[-2]["terms"]["loss"]] * 2
    assert {row.unit for row in rows} == {"nats per image"}


def test_the_last_figures_of_metrics_that_take_turns_stand_with_their_units(make: Any) -> None:
    run = make("one")
    for step, terms in ((1, {"a.x": 1.0, "b.y": 2.0}), (2, {"a.x": 3.0})):
        units = dict.fromkeys(terms, "") | {"a.x": "nats"}
        line = {"step": step, "epoch": 1, "split": "generated", "images": 9, "against": "test"}
        run.metrics_file.append({**line, "units": units, "terms": terms})
    rows = [row for row in final_terms(compared([run, make("two")])) if row.split == "generated"]
    assert [(row.name, row.values, row.unit) for row in rows] == [
        ("a.x", [3.0, None], "nats"), ("b.y", [2.0, None], ""), ("mean over images", [9, None], ""),
    ]  # fmt: skip


#: What is said of losses that differ.
UNLIKE = "The losses' figures do not compare"


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ({"data": {"name": "mnist"}}, f"{UNLIKE}: data differs (digits, mnist)."),
        ({"loss": {"name": "iwae"}}, f"{UNLIKE}: loss differs (elbo, iwae)."),
        (
            {"model": {"likelihood": "gaussian"}},
            f"{UNLIKE}: likelihood differs (bernoulli, gaussian of variance 0.01).",
        ),
        ({"loss": {"beta": 4.0}}, "The loss does not compare, only its terms: beta differs."),
    ],
)
def test_figures_of_different_things_do_not_compare(
    make: Any, tables: dict[str, Any], reason: str
) -> None:
    assert caveats(compared([make("one"), make("two", **tables)])) == [reason]


def test_other_variances_are_other_likelihoods(make: Any) -> None:
    runs = [
        make(name, model={"likelihood": "gaussian", "variance": variance})
        for name, variance in (("one", 0.01), ("two", 0.1))
    ]
    assert caveats(compared(runs))[0].startswith(
        "The losses' figures do not compare: likelihood differs"
    )


def test_damaged_and_unfinished_runs_say_so(make: Any) -> None:
    damaged, unfinished, empty = (make(name) for name in ("damaged", "unfinished", "empty"))
    (damaged.path / "metrics.jsonl").write_text("what\n")
    lines = (unfinished.path / "metrics.jsonl").read_text().splitlines(keepends=True)
    (unfinished.path / "metrics.jsonl").write_text("".join(lines[:3]))
    (empty.path / "metrics.jsonl").unlink()
    reasons = caveats(compared([damaged, unfinished, empty]))
    assert reasons[0].startswith("damaged cannot be compared: line ")
    assert "metrics.jsonl is damaged" in reasons[0]
    assert reasons[1] == "unfinished is unfinished: 7 of 20 epochs"
    assert reasons[2] == "empty is unfinished: 0 of 20 epochs"


def test_runs_of_one_name_are_told_apart(make: Any, tmp_path: Path) -> None:
    first = make("same")
    other = gtk.Run(shutil.copytree(first.path, tmp_path / "elsewhere" / "same"))
    names = [item.name for item in compared([first, other])]
    assert names == [str(first.path), str(other.path)]
    assert len({item.name for item in compared([first, first])}) == 2


def evaluated(run: gtk.Run, protocol: str, value: float, step: int, better: str = "lower") -> None:
    """Add an evaluation of a metric with one figure."""
    figures: Any = {"distance": {"value": value, "unit": "", "share": False, "better": better}}
    line = EvaluationLine(
        metric="frechet-distance", hash=protocol, figures=figures, details={},
        protocol={"images": 9}, made={"step": step}, created="",
    )  # fmt: skip
    add_evaluations(run.path, [line])


def test_figures_of_one_protocol_share_a_row_and_the_best_is_marked(make: Any) -> None:
    one, two, three = (make(name) for name in ("one", "two", "three"))
    step = max(one.checkpoints.steps())
    given = [(one, "aa", 9.0), (one, "aa", 2.0), (two, "aa", 2.5), (three, "bb", 1.0)]
    for run, protocol, value in given:
        evaluated(run, protocol, value, step)
    items = compared([one, two, three])
    rows = {row.name: [*row.values] for row in evaluated_figures(items)}
    assert rows == {
        "frechet-distance distance (aa)": ["2.000 (best)", "2.500", None],
        "frechet-distance distance (bb)": [None, None, "1.000"],
    }
    (text,) = caveats(items)
    assert text.startswith("Figures of frechet-distance do not compare: their protocols differ.")
    evaluated(two, "aa", 2.0, step, better="")
    assert "(best)" not in str([row.values for row in evaluated_figures(compared([three, two]))])


def test_figures_of_an_older_step_are_named(make: Any) -> None:
    one, two = make("one"), make("two")
    step = max(one.checkpoints.steps())
    evaluated(one, "aa", 1.0, step)
    evaluated(two, "aa", 1.0, step - 1)
    (text,) = caveats(compared([one, two]))
    assert text == f"two has figures of another step than {step}: evaluate it again."


def test_damaged_evaluations_cost_no_other_figure(make: Any) -> None:
    one, two = make("one"), make("two")
    (two.path / EVALUATIONS).write_text("{}\n")
    items = compared([one, two])
    assert all(None not in row.values for row in final_terms(items))
    (text,) = caveats(items)
    assert "evaluations.jsonl is damaged" in text
