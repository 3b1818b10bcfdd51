"""The commands as a user types them, from training to a picture from an exported file."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toys
from PIL import Image
from rich.console import Console

import gtk
from gtk.cli.main import COMMANDS
from gtk.cli.runs import age
from gtk.cli.train_summary import print_finished
from gtk.core.evaluation import judge_training
from gtk.pictures.grid import image_grid
from gtk.pictures.labels import labelled_grid
from gtk.pictures.preview import names_above

Command = Callable[..., Any]


@pytest.fixture
def run(small_run: gtk.Run, workplace: Path) -> gtk.Run:
    """A copy of the small run, in the runs folder that commands look into."""
    return gtk.Run(shutil.copytree(small_run.path, workplace / "runs" / "small"))


def test_a_file_called_like_a_run_hides_no_run(run: gtk.Run, gtk_command: Command) -> None:
    for name in ("small", "latest"):
        Path(name).write_text("notes")
        assert gtk_command("sample", name, "-n", 2, "--out", f"{name}.png").code == 0
    Path("notes.txt").write_text("notes")
    assert "notes.txt is a file, not a run" in gtk_command("sample", "notes.txt").err


def test_training_ends_with_where_things_are_and_what_to_type(
    gtk_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge_training, "MOST_EPOCHS", 3)
    result = gtk_command("train", "--plugin", "cvae", "--epochs", 2, "--name", "first")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0].startswith("train       loss ")
    assert lines[1].startswith("test        loss ")
    assert lines[1].endswith("nats per image (357 images)")
    assert lines[2:5] == [
        "report      runs/first/report.html",
        "pictures    runs/first/pictures",
        "checkpoint  runs/first/checkpoints/000000044",
    ]
    assert [line.strip() for line in lines[6:]] == [
        "gtk sample first --label 9 -n 16 --out samples.png",
        "gtk evaluate first",
        "gtk export first",
        "gtk train --resume first --epochs 4",
    ]
    for line in lines[6:]:  # they are promises
        fewer = ["--samples", 200] if "evaluate" in line else []
        assert gtk_command(*line.split()[1:], *fewer).code == 0


def test_the_last_figures_fit_a_narrow_terminal(
    run: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(width=60, record=True, soft_wrap=True, force_terminal=True)
    monkeypatch.setattr("gtk.cli.train_summary.make_console", lambda: console)
    print_finished(run, quiet=False)
    figures, _, _ = console.export_text().partition("report ")
    assert "reconstruction" in figures
    assert max(map(len, figures.splitlines())) <= 60


def test_quiet_prints_the_folder_alone(gtk_command: Command) -> None:
    result = gtk_command("train", "--plugin", "vae", "--epochs", 1, "--quiet", "--runs", "mine")
    assert (result.code, result.out, result.err) == (0, "mine/vae-digits-0001\n", "")


def test_every_option_of_the_plugins_has_its_heading(gtk_command: Command) -> None:
    text = gtk_command("train", "--plugin", "cvae", "--conditioner", "embedding", "--help").out
    sections = text.split("\nOptions of ")
    assert [section.split(":")[0] for section in sections[1:]] == [
        "model cvae", "conditioner embedding", "loss elbo", "sampler direct",
    ]  # fmt: skip
    assert "--latent-dim" in sections[1]
    assert "--embedding-dim" in sections[2]
    assert "--beta" in sections[3]
    for option in (
        "--data", "--data-root", "--epochs", "--batch-size", "--learning-rate", "--seed", "--name",
        "--runs", "--device", "--validation", "--checkpoint-every", "--sample-every",
        "--log-every", "--resume", "--conditioner", "--loss", "--dry-run", "--overwrite", "--quiet",
    ):  # fmt: skip
        assert f"  {option} " in sections[0]
    plain = " ".join(sections[0].split())
    assert "training images. [default: by the data: --dry-run shows it]" in plain
    assert "in one batch: all of a step, unless it has several. [default: 64]" in plain, (
        "the data's"
    )
    assert "[default: ]" not in plain


def test_a_dry_run_shows_networks_and_trains_nothing(gtk_command: Command, workplace: Path) -> None:
    result = gtk_command(
        "train", "--plugin", "cvae", "--latent-dim", 3, "--hidden-dims", "5", "--dry-run"
    )
    assert result.code == 0
    assert "encoder: 411 parameters" in result.out
    assert "decoder: 454 parameters" in result.out
    assert "part model: 865 trainable parameters" in result.out
    assert "22 steps an epoch, 5500 in all" in result.out
    assert "\nfp32, contiguous, 1 thread: an epoch takes " in result.out
    assert not list(workplace.iterdir())


def test_a_dry_run_lists_networks_of_the_loss_as_its_own(
    gtk_command: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gtk.plugins.losses.elbo.ELBO", toys.Judged)
    result = gtk_command("train", "--plugin", "vae", "--hidden-dims", 5, "--dry-run")
    assert "critic (of the loss): 545 parameters" in result.out
    assert "measure (of the loss): 201 parameters, not trained" in result.out
    assert "part critic (of the loss): 545 trainable parameters" in result.out
    assert "BatchNorm1d" in result.out
    assert "part measure" not in result.out


def test_sampling_a_class(gtk_command: Command, run: gtk.Run) -> None:
    result = gtk_command("sample", "small", "--label", 3, "-n", 16, "--out", "three.png")
    assert (result.code, result.out) == (0, "three.png: 16 images, seed 0\n")
    odd = gtk_command("sample", "small", "-n", 1, "--out", "a[red].png")
    assert odd.out == "a[red].png: 1 image, seed 0\n"
    picture = np.asarray(Image.open("three.png"))
    assert np.array_equal(picture, image_grid(run.sample(labels=[3] * 16), 4))


def test_sampling_all_classes_gives_a_column_for_each(gtk_command: Command, run: gtk.Run) -> None:
    arguments = ("sample", "latest", "--labels", "all", "--rows", 5, "--no-labels")
    gtk_command(*arguments, "--out", "grid.png")
    picture = np.asarray(Image.open("grid.png"))
    assert picture.shape == (5 * 72 - 8, 10 * 72 - 8)
    images = run.sample(labels=[*range(10)] * 5)
    assert np.array_equal(picture, image_grid(images, 10))
    arguments = ("sample", run.path, "--labels", "8, 1", "--rows", 2, "--seed", 4)
    gtk_command(*arguments, "--out", "two.png")
    picture = np.asarray(Image.open("two.png"))
    expected = labelled_grid(run.sample(labels=[8, 1, 8, 1], seed=4), 2, column_names=["8", "1"])
    assert np.array_equal(picture, expected)


def test_the_same_seed_gives_the_same_bytes(gtk_command: Command, run: gtk.Run) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        gtk_command("sample", "small", "-n", 12, "--seed", seed, "--out", f"{name}.png")
    first, second, third = (Path(f"{name}.png").read_bytes() for name in "abc")
    assert first == second != third


def test_a_run_and_its_exported_file_give_the_same_picture(
    gtk_command: Command, run: gtk.Run
) -> None:
    result = gtk_command("export", "small", "--out", "small.onnx")
    assert result.code == 0
    assert "compared at batch 1, 2, 3 and 16" in result.out
    arguments = ["--labels", "all", "--rows", 3, "--seed", 11]
    gtk_command("sample", "small", *arguments, "--out", "run.png", "--batch-size", 7)
    gtk_command("sample", "small.onnx", *arguments, "--out", "file.png")
    pictures = [np.asarray(Image.open(name)).astype(int) for name in ("run.png", "file.png")]
    assert abs(pictures[0] - pictures[1]).max() <= 1


def test_choosing_a_checkpoint(gtk_command: Command, run: gtk.Run) -> None:
    gtk_command("sample", "small", "--checkpoint", 308, "-n", 10, "--out", "early.png")
    gtk_command("sample", "small", "--checkpoint", "latest", "-n", 10, "--out", "late.png")
    gtk_command("sample", "small", "-n", 10, "--out", "default.png")
    early, late, default = (
        Path(f"{name}.png").read_bytes() for name in ("early", "late", "default")
    )
    assert early != late == default


def test_runs_are_listed_with_their_facts(gtk_command: Command, run: gtk.Run) -> None:
    result = gtk_command("runs")
    row = next(line for line in result.out.splitlines() if "small" in line)
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    loss = run.metrics()[-1]["terms"]["loss"]
    assert cells[:5] == ["small", "cvae", "digits", "20/20", f"{loss:.2f} (test)"]
    assert cells[5].endswith((" s", " min"))
    assert "has no runs" in gtk_command("runs", "--runs", "nowhere[/b]").out
    with run.metrics_file.path.open("a") as file:
        file.write("{}\n")
    assert "metrics.jsonl is damaged" in gtk_command("runs").out


def test_ages_are_said_in_their_largest_unit() -> None:
    assert [age(seconds) for seconds in (0, 59, 60, 7_300, 200_000)] == [
        "0 s", "59 s", "1 min", "2 h", "2 d",
    ]  # fmt: skip


def test_plugins_are_listed_with_package_and_version(gtk_command: Command, outside: Path) -> None:
    rows = [line.split() for line in gtk_command("plugins").out.splitlines()]
    assert ["model", "cvae", "generative-toolkit", "0.1.0"] in rows
    assert ["model", "cvae", "gtk-plugin-twin", "0.3"] in rows
    assert ["conditioner", "shift", "gtk-plugin-shift", "0.3"] in rows
    assert ["model", "broken", "gtk-plugin-broken", "0.3"] in rows


def test_a_picture_shows_in_a_terminal(
    gtk_command: Command, run: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    arguments = ("sample", "small", "-n", 10, "--seed", 1)
    assert "▀" in gtk_command(*arguments).out
    assert "▀" in gtk_command(*arguments, "--out", "a.png").out
    assert "▀" not in gtk_command(*arguments, "--out", "b.png", "--no-preview").out


def test_the_module_is_the_same_program() -> None:
    outputs = [
        subprocess.run([*command, "--help"], check=True, capture_output=True, text=True).stdout
        for command in ([sys.executable, "-m", "gtk"], [str(Path(sys.executable).parent / "gtk")])
    ]
    assert outputs[0] == outputs[1]
    assert outputs[0].startswith("Usage: gtk ")


def test_the_list_of_commands_says_what_each_says_of_itself(gtk_command: Command) -> None:
    listing = " ".join(gtk_command("--help").out.split())
    for name, summary in COMMANDS.items():
        assert f"{name} {summary}" in listing
        assert f" {summary}" in " ".join(gtk_command(name, "--help").out.split())


def complete(line: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ask for completions as a shell does."""
    words = line.split(" ")
    environment = {
        **os.environ, "_GTK_COMPLETE": "bash_complete", "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }  # fmt: skip
    command = [str(Path(sys.executable).parent / "gtk")]
    result = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    return [item.partition(",")[2] for item in result.stdout.splitlines()]


def test_the_shell_completes_plugins_runs_and_plugin_options(
    run: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert complete("gtk tr", monkeypatch) == ["train", "traverse"]
    assert complete("gtk train --plugin cv", monkeypatch) == ["cvae"]
    assert complete("gtk train --conditioner ", monkeypatch) == [
        "conditional-norm", "embedding", "film", "onehot", "projection", "unconditional",
    ]  # fmt: skip
    assert complete("gtk train --plugin cvae --late", monkeypatch) == ["--latent-dim"]
    assert complete("gtk sample sm", monkeypatch) == ["small"]
    for command in ("reconstruct", "interpolate", "traverse", "animate"):
        assert complete(f"gtk {command} sm", monkeypatch) == ["small"]
    assert complete("gtk export ", monkeypatch) == ["latest", "small"]


def test_validating_on_the_test_images_is_said_at_the_end(gtk_command: Command) -> None:
    line = "validated on the test images: the test figure chose these weights and is not indepen"
    result = gtk_command("train", "--plugin", "cvae", "--epochs", 1, "--validate-on-test")
    assert line in result.out
    assert "(357 test images)" in result.out
    assert result.code == 0
    assert line not in gtk_command("train", "--plugin", "cvae", "--epochs", 1).out


def test_an_early_stop_is_said_once_and_is_the_end(gtk_command: Command) -> None:
    # A rate so small that no weight moves, and no validation is better than the first.
    options = "--validation 9 --checkpoint-every 1 --patience 2 --learning-rate 1e-30 --name mine"
    result = gtk_command("train", "--plugin", "cvae", "--epochs", 2, *options.split())
    line = "stopped early at step 3, epoch 1: no better validation loss since step 1"
    assert result.code == 0
    assert (result.out + result.err).count(line) == 1
    assert "gtk sample mine" in result.out
    assert "--resume" not in result.out, "it would be refused"
    result = gtk_command("train", "--resume", "mine", "--epochs", 9)
    assert result.code == 2
    assert f"runs/mine is complete: {line}." in result.err
    assert result.err.count("\n") == 1


def test_a_training_that_diverges_says_at_which_step_and_what_to_do(gtk_command: Command) -> None:
    options = "--epochs 1 --learning-rate 1e20 --name mine --quiet"
    result = gtk_command("train", "--plugin", "cvae", *options.split())
    assert result.code == 1
    assert re.search(r"loss became (nan|inf) at step 2, and nothing of it was saved", result.err)
    assert "Train anew with a lower --learning-rate or --clip-norm 1." in result.err
    assert result.err.count("\n") == 1
    result = gtk_command("sample", "mine", "--out", "x.png")
    assert result.code == 2
    assert "has no checkpoint yet" in result.err
    assert "train anew" in result.err


def test_names_above_the_preview_are_where_their_columns_are() -> None:
    line = names_above(["3", "seven"], pitch=9, across=17, width=60).plain
    assert line == "    3      seven\n"
    assert names_above(["3", "far too long"], pitch=9, across=17, width=60).plain == ""
    assert names_above([], pitch=9, across=17, width=60).plain == ""
    narrow = names_above([str(index) for index in range(10)], pitch=9, across=89, width=60).plain
    assert len(narrow) <= 60
    assert narrow.split() == [str(index) for index in range(10)]
    assert names_above(["\x1b[1m", "[b]x"], pitch=9, across=17, width=60).plain.split() == [
        r"\x1b[1m", "[b]x",
    ]  # fmt: skip
