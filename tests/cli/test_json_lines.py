"""`gtk train --json`: every line of standard output is an object, and they tell what happens."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gtk
from gtk.cli.json_lines import JsonLines
from gtk.core.registry.spec import NoConfig
from gtk.core.values.tracking import track
from gtk.plugins.datasets import digits

pytestmark = pytest.mark.usefixtures("no_pictures")

Command = Callable[..., Any]
TRAIN = ("train", "--plugin", "cvae", "--json", "--epochs", 2, "--name", "first")


def objects(text: str) -> list[dict[str, Any]]:
    """Read every line."""
    return [json.loads(line) for line in text.splitlines()]


def test_a_training_is_told_from_its_start_to_its_end(gtk_command: Command) -> None:
    result = gtk_command(*TRAIN, "--log-every", 20, "--decay", "cosine")
    assert (result.code, result.err) == (0, "")
    told = objects(result.out)
    assert [(line["event"], line["step"]) for line in told] == [
        ("start", 0), ("step", 20), ("epoch", 22), ("step", 40), ("step", 44), ("epoch", 44),
        ("end", 44),
    ]  # fmt: skip
    run = gtk.Run(Path("runs/first"))
    assert all(line["run"] == "runs/first" for line in told)
    assert all((line["total_steps"], line["epochs"]) == (44, 2) for line in told)
    assert [line["epoch"] for line in told] == [0, 1, 1, 2, 2, 2, 2]
    steps = [line for line in told if line["event"] == "step"]
    written = [line for line in run.metrics() if line["split"] == "train"]
    for line, report in zip(steps, written, strict=True):
        assert line["terms"] == report["terms"]
        assert line["learning_rate"] == report["learning_rate"]
        assert line["images_per_second"] > 0
        assert line["seconds_left"] >= 0
    assert steps[-1]["seconds_left"] == 0
    assert told[0]["learning_rate"] == 1e-3
    end = told[-1]
    assert end["metrics"] == run.metrics()[-2:]
    assert [line["split"] for line in end["metrics"]] == ["train", "test"]
    assert end["pictures"] == "runs/first/pictures"
    assert end["checkpoint"] == "runs/first/checkpoints/000000044"
    assert end["report"] in (None, "runs/first/report.html")
    assert end["stopped"] is None


def test_a_resumed_training_starts_where_it_was(gtk_command: Command) -> None:
    gtk_command(*TRAIN)
    told = objects(gtk_command("train", "--json", "--resume", "first", "--epochs", 3).out)
    assert (told[0]["event"], told[0]["step"], told[0]["total_steps"]) == ("start", 44, 66)
    assert told[-1]["event"] == "end"


def test_a_failure_is_the_last_object_and_one_line_elsewhere(gtk_command: Command) -> None:
    result = gtk_command(*TRAIN, "--batch-size", 9999)
    (failed,) = objects(result.out)
    assert failed == {"event": "failed", "message": failed["message"], "exit_code": 2}
    assert result.code == 2
    assert result.err == f"gtk: error: {failed['message']}\n"
    result = gtk_command(*TRAIN, "--learning-rate", 1e30)
    *_, failed = objects(result.out)
    assert (failed["event"], failed["exit_code"], result.code) == ("failed", 1, 1)


def test_an_interrupt_is_told(gtk_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gtk.core.training.trainer.Trainer.train_step", interrupted)
    result = gtk_command(*TRAIN)
    assert result.code == 130
    assert objects(result.out)[-1] == {
        "event": "failed", "message": "interrupted", "exit_code": 130,
    }  # fmt: skip
    assert result.err.startswith("Stopped; saved up to step 0.")


@pytest.mark.parametrize("other", ["--quiet", "--dry-run"])
def test_what_prints_something_else_is_refused(gtk_command: Command, other: str) -> None:
    result = gtk_command(*TRAIN, other)
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        f"gtk: error: {other} and --json cannot be used together. Give one of them\n"
    )
    assert not Path("runs").exists()


def test_a_reader_that_exits_does_not_end_the_training(
    gtk_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_given: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("gtk.cli.json_lines._print", gone)
    assert gtk_command(*TRAIN).code == 0
    assert gtk.Run(Path("runs/first")).checkpoints.steps() == [44]


def test_work_on_the_data_comes_first(
    gtk_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = digits.load

    def slowly(config: NoConfig, root: Path | None) -> gtk.Dataset:
        list(track(range(3), "decoding", 3))
        return load(config, root)

    monkeypatch.setattr(digits, "load", slowly)
    told = objects(gtk_command(*TRAIN).out)
    assert told[:2] == [
        {"event": "work", "what": "decoding", "done": done, "total": 3} for done in (0, 3)
    ]
    assert told[2]["event"] == "start"


def test_work_is_told_once_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    lines = JsonLines(lambda: now)
    for done in range(101):
        lines.gtk_work("decoding", done, 100)
        now += 0.0625
    assert [line["done"] for line in objects(capsys.readouterr().out)] == [
        *range(0, 97, 16), 100,
    ]  # fmt: skip
