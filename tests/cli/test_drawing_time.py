"""What is said before and after drawing: how long it takes, and what was drawn with."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gtk
from gtk.cli import progress_bar
from gtk.cli.progress_bar import DrawingTime
from gtk.core.values.tracking import heard_by
from gtk.pictures.console import SafeConsole

Command = Callable[..., Any]


@pytest.mark.parametrize(
    ("draws", "seconds", "told"),
    [
        (1, [5.0, 1.0, *[1.0] * 6], "about 12 s"),  # the first step is slow, as it often is
        (1, [0.9, 0.1, *[0.1] * 6], ""),
        (1, [300.0, 60.0, *[60.0] * 6], "about 12 min"),
        (1, [3.0, 3.0], "about 6.0 s"),
        (1, [30.0], ""),  # in one step, after which there is nothing to tell
        (5, [1.0], "about 5.0 s"),
    ],
)
def test_a_long_draw_says_how_long_once_it_is_known(
    draws: int, seconds: list[float], told: str
) -> None:
    now, written, seen = 0.0, io.StringIO(), []
    console = SafeConsole(file=written, width=80)
    time = DrawingTime(console, "8 images", draws, lambda *it: seen.append(it), lambda: now)
    for _ in range(draws):
        time("drawing", 0, len(seconds))
        for done, took in enumerate(seconds, start=1):
            now += took
            time("drawing", done, len(seconds))
            told_by_now = written.getvalue()
            assert not told_by_now or len(seconds) * draws > 1
    assert written.getvalue() == (f"8 images: {told}\n" if told else "")
    assert bool(seen) == bool(told)
    if told:
        assert seen[-1] == ("drawing", draws * len(seconds), draws * len(seconds))


def test_steps_and_batches_are_heard_and_without_a_listener_nothing_is(
    small_run: gtk.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[tuple[str, int, int]] = []
    with heard_by(lambda *it: heard.append(it)):
        small_run.sample(count=5, batch_size=2)
    assert heard == [("drawing", done, 3) for done in range(4)]
    small_run.sample(count=5, batch_size=2)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "line",
    [
        "sample small -n 600 --batch-size 100",
        "sample FILE -n 600 --batch-size 100",
        "interpolate small --rows 60",
        "traverse small --dims 1,2,3 --steps 100",
        "animate small --walk --frames 3 --out it.gif",
    ],
)
def test_every_command_that_draws_tells_what_takes_long(
    small_run: gtk.Run,
    exported: Path,
    gtk_command: Command,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
) -> None:
    monkeypatch.setattr(progress_bar, "SHORT", -1.0)
    words = line.replace("FILE", str(exported)).split()
    words += ["--out", "it.png"] if "--out" not in words else []
    result = gtk_command(*words, "--runs", small_run.path.parent)
    assert result.code == 0
    assert "images: less than a second\n" in result.err
    assert result.err.count("\n") == 1


def text(path: str) -> Any:
    with Image.open(path) as image:
        return json.loads(image.text["gtk"])


@pytest.mark.parametrize(
    ("line", "seed"),
    [("sample", 3), ("interpolate", 3), ("traverse --dims 1", 3), ("animate --walk --frames 2", 3)],
)
def test_what_was_drawn_with_is_in_the_picture_and_in_json(
    small_run: gtk.Run, gtk_command: Command, line: str, seed: int
) -> None:
    command, *options = line.split()
    options += ["--seed", str(seed), "--temperature", "0.5", "--checkpoint", "440"]
    options += ["--runs", str(small_run.path.parent), "--json", "--out"]
    result = gtk_command(command, "small", *options, "it.png")
    printed = json.loads(result.out)
    assert result.out.count("\n") == 1
    assert printed["file"] == "it.png"
    expected = {
        "run": "small",
        "step": 440,
        "sampler": {
            "package": "generative-toolkit", "version": "0.1.0", "name": "direct",
            "temperature": 0.5, "truncation": 0.0,
        },
        "evaluations": 1,
        "seed": seed,
    }  # fmt: skip
    assert {key: printed[key] for key in expected} == expected
    assert text("it.png") == {"gtk": "0.1.0", **expected}
    assert gtk_command(command, "small", *options[:-2]).code == 2, "an object, and no picture"
    if command == "animate":
        gtk_command(command, "small", *options, "it.gif")
        with Image.open("it.gif") as image:
            assert json.loads(image.info["comment"]) == text("it.png")


def test_between_images_of_a_model_that_encodes_no_sampler_is_named(
    gtk_command: Command, small_run: gtk.Run
) -> None:
    options = ("--runs", small_run.path.parent, "--out", "it.png")
    assert gtk_command("interpolate", "small", "--images", 0, 1, *options).code == 0
    assert text("it.png") == {"gtk": "0.1.0", "run": "small", "step": 440}


def test_a_file_s_picture_names_the_file_and_its_run(exported: Path, gtk_command: Command) -> None:
    result = gtk_command("sample", exported, "-n", 4, "--out", "it.png", "--json")
    found = {"exported": "small.onnx", "run": "small", "step": 440}
    assert text("it.png") == {"gtk": "0.1.0", **found, "seed": 0}
    assert found.items() <= json.loads(result.out).items()


def test_pictures_of_a_training_say_what_they_were_drawn_with(small_run: gtk.Run) -> None:
    said = text(str(small_run.pictures / "samples-0020.png"))
    assert (said["step"], said["seed"]) == (440, 0)
    assert "run" not in said, "trainings with the same settings have the same files"
    assert (said["sampler"]["name"], said["evaluations"]) == ("direct", 1)


def test_the_text_changes_no_pixel_and_reads_any_letter(tmp_path: Path) -> None:
    from gtk.pictures.grid import write_png
    from gtk.pictures.picture_text import picture_text

    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    write_png(pixels, tmp_path / "a.png", text={**picture_text({"run": "ü猫"}), "more": "猫"})
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(np.asarray(image), pixels)
        assert image.text["more"] == "猫"  # type: ignore[attr-defined]
    assert text(str(tmp_path / "a.png"))["run"] == "ü猫"
