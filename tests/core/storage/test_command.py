"""What is typed next."""

import json
import shutil
from pathlib import Path

import pytest

import gtk
from gtk.core.storage.command import next_commands, sample_condition


@pytest.fixture
def run(small_run: gtk.Run, workplace: Path) -> gtk.Run:
    """A copy of the small run, where commands look for it."""
    shutil.copytree(small_run.path, workplace / "runs" / "small")
    return gtk.Run(Path("runs/small"))


def test_a_finished_run_can_be_drawn_exported_and_trained_on(run: gtk.Run) -> None:
    assert next_commands(run) == [
        "gtk sample small --label 9 -n 16 --out samples.png",
        "gtk evaluate small",
        "gtk export small",
        "gtk train --resume small --epochs 40",
    ]


def test_an_interrupted_one_goes_on_to_its_planned_end(run: gtk.Run) -> None:
    lines = run.metrics_file.path.read_text().splitlines(keepends=True)
    run.metrics_file.path.write_text("".join(lines[:4]))
    assert next_commands(run)[-1] == "gtk train --resume small"


def test_without_a_checkpoint_there_is_nothing_to_draw(run: gtk.Run) -> None:
    shutil.rmtree(run.path / "checkpoints")
    assert next_commands(run) == ["gtk train --resume small --epochs 40"]


def test_damaged_metrics_cannot_go_on(run: gtk.Run) -> None:
    run.metrics_file.path.write_text("what\n")
    assert not any("--resume" in command for command in next_commands(run))


@pytest.mark.parametrize(
    ("name", "typed"),
    [("fluffy cat", "'fluffy cat'"), ("$(reboot)", "'$(reboot)'"), ("\x1b[2J", "9"), ("猫", "猫")],
)
def test_a_class_is_quoted_for_the_shell(run: gtk.Run, name: str, typed: str) -> None:
    document = json.loads((run.path / "run.json").read_text())
    document["data_spec"]["condition"]["names"][-1] = name
    (run.path / "run.json").write_text(json.dumps(document))
    # shlex quotes every letter that is not ASCII; a shell reads it the same.
    assert sample_condition(gtk.Run(run.path)).replace("'猫'", "猫") == f" --label {typed}"
