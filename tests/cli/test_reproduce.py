"""`gtk reproduce`: a training and its figures beside those that its recipe publishes."""

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gtk
from gtk import train_function
from gtk.core.evaluation import judge_training
from gtk.defaults import built_in_names, find_recipe
from gtk.reproduction import Reproduction

Command = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("no_pictures")
SETTINGS = """[data]
name = "digits"
[model]
name = "cvae"
hidden_dims = [32]
[train]
epochs = 1
log_every = 1
"""
#: Figures of a training of one epoch: a higher one is better, a lower one, and neither.
ACCURACY = "class-accuracy.accuracy", 0.1, 0.1
DISTANCE = "frechet-distance.times_real", 1000, 1e6
REAL = "frechet-distance.real", 0, 1e6


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the judge be trained in a second; it is a bad one."""
    monkeypatch.setattr(judge_training, "MOST_EPOCHS", 3)


def write(*figures: tuple[str, float, float], settings: str = SETTINGS) -> None:
    """Write mine.toml, which publishes figures as (METRIC.FIGURE, value, spread)."""
    lines = [
        f'"{term}" = {{value = {value}, spread = {spread}}}' for term, value, spread in figures
    ]
    Path("mine.toml").write_text("\n".join([settings, "[published]", "samples = 300", *lines]))


def rows(result: Any) -> list[list[str]]:
    return [re.split(" {2,}", line) for line in result.out.splitlines()]


def weights(name: str) -> bytes:
    run = gtk.load(name)
    step = max(run.checkpoints.steps())
    return (run.checkpoints.folder(step) / "model.safetensors").read_bytes()


def test_figures_that_are_met_end_with_0_and_a_finished_run_is_taken(gtk_command: Command) -> None:
    write(ACCURACY, DISTANCE, REAL)
    result = gtk_command("reproduce", "mine.toml")
    assert result.code == 0, result.err
    heading, *cells, last = rows(result)
    assert heading == ["figure", "published", "spread", "here", "95% interval", "better", "result"]
    assert [row[:3] for row in cells] == [
        ["class-accuracy.accuracy", "10.00%", "10.00%"],
        ["frechet-distance.times_real", "1000", "1.00e+06"],
        ["frechet-distance.real", "0", "1.00e+06"],
    ]
    assert [row[-1] for row in cells] == ["met"] * 3
    start = "runs/mine-reproduced meets the published figures of mine.toml, 300 samples: "
    assert last[0].startswith(start)
    run = gtk.load("mine-reproduced")
    assert run.document["recipe"] == "mine.toml"
    assert "published" not in (run.path / "run.json").read_text()
    assert find_recipe(run.path / "run.json").published is None
    before = run.metrics_file.path.read_bytes()
    again = gtk_command("reproduce", "mine.toml")
    assert again.code == 0
    assert again.err.startswith("runs/mine-reproduced is finished, so it is only evaluated")
    assert rows(again)[:4] == rows(result)[:4]
    assert run.metrics_file.path.read_bytes() == before


def test_a_figure_that_is_not_met_ends_with_1_and_is_named(gtk_command: Command) -> None:
    write(("class-accuracy.accuracy", 1.01, 0), DISTANCE, ("frechet-distance.real", 1e6, 0))
    result = gtk_command("reproduce", "mine.toml", "--name", "first", "--threads", 1)
    assert result.code == 1
    assert [row[-1] for row in rows(result)[1:]] == ["not met", "met", "not met"]
    message = "2 of 3 published figures of 'mine.toml' not met by runs/first: class-accuracy.accura"
    assert message in result.err
    write(("frechet-distance.times_real", 0, 0.5), ACCURACY)
    result = gtk_command("reproduce", "mine.toml", "--name", "first", "--json")
    assert result.code == 1
    document = json.loads(result.out)
    assert (document["recipe"], document["run"]) == ("mine.toml", "runs/first")
    assert (document["samples"], document["met"]) == (300, False)
    distance, accuracy = document["figures"]
    assert (distance["figure"], distance["met"]) == ("frechet-distance.times_real", False)
    assert (distance["published"], distance["spread"], distance["better"]) == (0, 0.5, "lower")
    assert distance["low"] <= distance["value"] <= distance["high"]
    assert accuracy["met"]


def test_an_interrupted_training_is_gone_on_with(
    gtk_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupt:
        @gtk.hookimpl
        def gtk_step_end(self, progress: gtk.Progress) -> None:
            if progress.step == 5:
                os.kill(os.getpid(), signal.SIGINT)

    write(ACCURACY)
    with monkeypatch.context() as patching:
        patching.setattr(train_function, "own_callbacks", lambda **_: [Interrupt()])
        result = gtk_command("reproduce", "mine.toml", "--threads", 1)
    assert (result.code, result.out) == (130, "")
    assert "Stopped; saved up to step 6. Go on: the same command again" in result.err
    result = gtk_command("reproduce", "mine.toml", "--threads", 1)
    assert result.code == 0, result.err
    assert result.err.startswith("runs/mine-reproduced is not finished, so it is trained on")
    gtk.train(recipe="mine.toml", name="whole", threads=1, quiet=True)
    assert weights("mine-reproduced") == weights("whole")


def refused(gtk_command: Command, *arguments: object) -> str:
    """Return the one line that refuses to reproduce; nothing is trained."""
    before = sorted(Path().rglob("*"))
    result = gtk_command("reproduce", *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert sorted(Path().rglob("*")) == before
    return str(result.err)


def test_a_recipe_without_figures_is_refused_with_those_that_have_some(
    gtk_command: Command,
) -> None:
    error = refused(gtk_command, "vae-2d")
    assert "recipe 'vae-2d' has no published figures: add a table [published], or name" in error
    flows = "flow-cifar10, flow-digits, flow-fashion, flow-mnist"
    assert error.endswith(f": cgan-mnist, cvae-mnist, {flows}\n")
    assert "unknown recipe 'flow-digit'. Did you" in refused(gtk_command, "flow-digit")


def test_unknown_figures_are_refused_before_the_training(gtk_command: Command) -> None:
    write(ACCURACY, ("class-accuracy.acuracy", 1, 1))
    line = len(SETTINGS.splitlines()) + 5
    error = refused(gtk_command, "mine.toml")
    assert f"mine.toml, line {line}: [published] class-accuracy.acuracy: unknown figure" in error
    assert "Did you mean 'accuracy'?" in error
    write(("class-acuracy.accuracy", 1, 1))
    assert "unknown metric 'class-acuracy'. Did you" in refused(gtk_command, "mine.toml")


def test_a_run_of_other_settings_is_refused(gtk_command: Command) -> None:
    write(ACCURACY)
    options = {"recipe": "mine.toml", "quiet": True}
    gtk.train(**options, name="longer", epochs=2)
    gtk.train(**options, name="other", loss="iwae")
    gtk.train(**options, name="begun", init_from="longer")
    gtk.train(**options, name="same", seed=1, log_every=2, data="digits")
    Path("runs/file").touch()
    for name, message in (
        ("longer", "[train] epochs is 2 instead of 1. Choose another --name"),
        ("other", "[loss] "),
        ("begun", "it began with other weights"),
    ):
        start = f"runs/{name} is not a training by recipe 'mine.toml': {message}"
        assert start in refused(gtk_command, "mine.toml", "--name", name)
    assert "runs/file exists and is not a run" in refused(
        gtk_command, "mine.toml", "--name", "file"
    )
    assert "'a/b' cannot name a run" in refused(gtk_command, "mine.toml", "--name", "a/b")
    assert gtk_command("reproduce", "mine.toml", "--name", "same").code == 0


def test_a_run_with_other_options_of_a_metric_is_refused(gtk_command: Command) -> None:
    write(DISTANCE, settings=f'{SETTINGS}metric = "likelihood"\n[metric.likelihood]\nsamples = 2')
    given: dict[str, Any] = {"recipe": "mine.toml", "quiet": True}
    gtk.train(**given, name="other", likelihood_samples=3)
    error = refused(gtk_command, "mine.toml", "--name", "other")
    assert "'mine.toml': [metric.likelihood] samples is 3 instead of 2. Choose" in error
    gtk.train(**given, name="same")
    assert gtk_command("reproduce", "mine.toml", "--name", "same").code == 0


def test_what_a_training_chooses_by_itself_is_no_other_setting(gtk_command: Command) -> None:
    """Such as the warm-up, which is shortened where the recipe leaves it to the model's plugin."""
    small = '[model]\nname = "flow"\nnetwork = "mlp"\nwidth = 8\ndepth = 1\n[train]\nepochs = 1\n'
    write(DISTANCE, settings=small)
    for _ in range(2):
        assert gtk_command("reproduce", "mine.toml").code == 0


@pytest.mark.parametrize("name", [it for it in built_in_names() if find_recipe(it).published])
def test_gtk_s_own_recipes_publish_figures_that_there_are(name: str) -> None:
    assert Reproduction(reference=name).run_name == f"{name}-reproduced"
