"""A run that is replaced goes when the new one has a checkpoint: a kill loses neither."""

import functools
import shutil
from pathlib import Path
from typing import Any

import processes
import pytest
import torch
from kills import killed_everywhere

import gtk
from gtk.cli import main
from gtk.core.settings.choice import Choice
from gtk.core.storage.checkpoint import Checkpoint
from gtk.core.storage.replacement import drop_replaced
from gtk.core.storage.run import Run
from gtk.core.storage.run_document import new_document
from gtk.core.storage.runs import RunPlace, find_resumable, find_run, list_runs
from gtk.core.training.training import load_dataset
from gtk.core.values.errors import GtkError, NonFiniteLoss, OutOfMemory, UserError

pytestmark = pytest.mark.usefixtures("no_pictures")


@functools.cache
def ingredients() -> tuple[Any, Any]:
    settings = Choice.by_name("vae", "digits").settle({"epochs": 1}, None)
    return settings, new_document(settings, load_dataset(settings), "cpu", 1, {})


def begin(folder: Path) -> None:
    """Make a new run called x, up to its first checkpoint; an older one is replaced."""
    settings, document = ingredients()
    place = RunPlace(folder / "runs", "x", overwrite=True)
    with place.made(settings, document) as run, run.locked():
        state = {"metrics_bytes": 0, "pending": {}, "validation": None}
        run.checkpoints.save(Checkpoint(1, {"weight": torch.zeros(1)}, {}, state))
        drop_replaced(run.path)


def with_an_older_run(folder: Path) -> None:
    """Put a run with a checkpoint there."""
    begin(folder)
    first = folder / "runs" / "x" / "checkpoints" / "000000001"
    first.rename(first.with_name("000000007"))


def without_one(folder: Path) -> None:
    folder.mkdir()


def begin_and_die(folder: Path) -> None:
    """Have a process put an older run aside, make the new one, and die."""
    code = f"""
import os
from pathlib import Path
import test_replacement as test
settings, document = test.ingredients()
place = test.RunPlace(Path({str(folder)!r}) / "runs", "x", overwrite=True)
with place.made(settings, document) as run:
    os._exit(9)
"""
    path = f"import sys\nsys.path[:0] = [{str(Path(__file__).parent)!r}]\n"
    assert processes.python(path + code).returncode == 9


def test_a_kill_anywhere_leaves_the_older_run_or_the_new_one(tmp_path: Path) -> None:
    places = killed_everywhere(tmp_path, with_an_older_run, begin)
    assert len(places) > 15
    found = []
    for place in places:
        run = find_run("x", place / "runs")
        found.append(run.checkpoints.steps())
        assert [item.name for item in list_runs(place / "runs")] == ["x"]
        begin(place)  # the name is not blocked
        assert [item.name for item in (place / "runs").iterdir()] == ["x"]
        assert find_run("x", place / "runs").checkpoints.steps() == [1]
    new = found.index([1])
    assert found == [[7]] * new + [[1]] * (len(found) - new)


def test_a_kill_anywhere_in_the_first_run_blocks_no_name(tmp_path: Path) -> None:
    for place in killed_everywhere(tmp_path, without_one, begin):
        assert len(list_runs(place / "runs")) < 2
        begin(place)
        assert [item.name for item in (place / "runs").iterdir()] == ["x"]


def test_what_is_to_replace_a_run_can_go_on_after_a_kill(tmp_path: Path) -> None:
    with_an_older_run(tmp_path)
    begin_and_die(tmp_path)
    assert find_resumable("x", tmp_path / "runs").checkpoints.steps() == []
    assert find_run("latest", tmp_path / "runs").checkpoints.steps() == [7]
    assert find_resumable("x", tmp_path / "runs").checkpoints.steps() == [7]


BACK = (
    "runs/x is the older run again: the one that was to replace it ended before its first "
    "checkpoint"
)


def test_the_list_of_runs_brings_the_older_run_back(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with_an_older_run(Path())
    document = Path("runs/x/run.json")
    document.write_text(document.read_text().replace('"epochs": 1,', '"epochs": 77,'))
    begin_and_die(Path())
    for _ in range(2):
        assert main.run(["runs"]) == 0
        assert "0/77" in capsys.readouterr().out
    assert [record.getMessage() for record in caplog.records] == [BACK]


def test_a_new_run_that_goes_on_replaces_the_older_one() -> None:
    gtk.train(plugin="cvae", name="x", epochs=1, quiet=True)
    begin_and_die(Path())
    run = gtk.train(resume="x", quiet=True)
    assert gtk.load("x").document["model"]["name"] == "vae"
    assert [item.name for item in run.path.parent.iterdir()] == ["x"]


class Fails:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, *_: object, **__: object) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("gtk.core.training.learner.Learner.learn", torch.OutOfMemoryError("CUDA out of memory")),
        ("gtk.core.training.reporter.Reporter.check_terms", NonFiniteLoss("loss is nan")),
        ("gtk.core.training.learner.Learner.learn", KeyboardInterrupt()),
        ("gtk.core.storage.checkpoint.CheckpointFolder.save", OSError(28, "full")),
        ("gtk.core.storage.stored_run.write_json", OSError(28, "full")),
    ],
)
def test_a_training_that_fails_before_its_first_checkpoint_brings_the_older_run_back(
    where: str,
    error: BaseException,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    old = gtk.train(plugin="cvae", name="x", epochs=1, quiet=True)
    monkeypatch.setattr(where, Fails(error))
    with pytest.raises((type(error), GtkError)):
        gtk.train(plugin="vae", name="x", epochs=1, quiet=True, overwrite=True)
    assert [item.name for item in old.path.parent.iterdir()] == ["x"]
    assert gtk.load("x").document == old.document
    assert gtk.load("x").checkpoints.steps() == [22]
    made = not where.endswith("write_json")
    assert [record.getMessage() for record in caplog.records] == ([BACK] if made else [])


def test_a_training_that_fails_in_its_first_step_leaves_no_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failure = MemoryError("of a machine that is too small")
    monkeypatch.setattr("gtk.core.training.learner.Learner.learn", Fails(failure))
    with pytest.raises(OutOfMemory):
        gtk.train(plugin="cvae", epochs=1, quiet=True)
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_run_waits_while_the_new_one_has_no_checkpoint() -> None:
    class Look:
        @gtk.hookimpl
        def gtk_train_start(self, run: Run) -> None:
            self.found = find_run("x").document["model"]["name"]  # a living process is left alone
            self.waiting = Run("runs/.x.replaced").checkpoints.steps()

        @gtk.hookimpl
        def gtk_train_end(self, run: Run) -> None:
            self.left = [item.name for item in run.path.parent.iterdir()]

    gtk.train(plugin="cvae", name="x", epochs=1, quiet=True)
    look = Look()
    gtk.train(plugin="vae", name="x", epochs=1, quiet=True, overwrite=True, callbacks=[look])
    assert (look.found, look.waiting, look.left) == ("vae", [22], ["x"])


def test_somebody_else_s_folder_of_that_name_stays(tmp_path: Path) -> None:
    with_an_older_run(tmp_path)
    other = tmp_path / "runs" / ".x.replaced"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match=r"\.x\.replaced exists, so .*/x is not replaced"):
        begin(tmp_path)
    assert find_run("x", tmp_path / "runs").checkpoints.steps() == [7]
    shutil.rmtree(other)
    other.symlink_to(tmp_path)
    with pytest.raises(UserError, match="is not replaced"):
        begin(tmp_path)
    assert other.is_symlink()


@pytest.mark.parametrize("name", ["..replaced", "...replaced", "....replaced"])
def test_a_hidden_folder_that_waits_for_no_run_is_left_alone(tmp_path: Path, name: str) -> None:
    with_an_older_run(tmp_path)
    (tmp_path / "runs" / "x").rename(tmp_path / "runs" / name)
    with pytest.raises(UserError, match="unknown run 'x'"):
        find_run("x", tmp_path / "runs")
    assert (tmp_path / "runs" / name / "run.json").is_file()


def test_a_run_replaced_in_the_meantime_is_not_trained(tmp_path: Path) -> None:
    with_an_older_run(tmp_path)
    run = find_run("x", tmp_path / "runs")
    document = tmp_path / "runs" / "x" / "run.json"
    document.write_text(document.read_text().replace('"created": "2', '"created": "3'))
    with pytest.raises(UserError, match=r"changed by another process a moment ago"), run.locked():
        pass
