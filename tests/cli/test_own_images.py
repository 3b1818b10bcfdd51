"""A user's own images from the command line: what is said of them, and how it ends."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import write_image, write_images

import gtk
from gtk.core.storage.cache import CACHE_VARIABLE

pytestmark = pytest.mark.usefixtures("no_pictures")

Command = Callable[..., Any]
SHORT = ("--epochs", 1, "--batch-size", 8)
NAMES = [f"{kind}/{number}.png" for kind in ("a cat", "<b>[red]dog") for number in range(10)]


@pytest.fixture(autouse=True)
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))


def test_a_folder_trains_and_says_what_was_skipped(gtk_command: Command) -> None:
    write_images(Path("my pets"), NAMES)
    Path("my pets/a cat/x\x1b[31m.png").write_bytes(b"")
    arguments = ("train", "--plugin", "cvae", "--data", "folder:my pets", *SHORT)
    refused = gtk_command(*arguments)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == (
        "gtk: error: my pets/a cat/x\\x1b[31m.png is empty: repair or remove it, or add "
        "--bad-images skip\n"
    )
    assert not Path("runs").exists()
    done = gtk_command(*arguments, "--bad-images", "skip")
    assert done.code == 0
    note = "bad images skipped: 1 (a cat/x\\x1b[31m.png is empty)"
    assert f"note: {note}\n" in done.err
    lines = gtk_command(*arguments, "--bad-images", "skip", "--json").out.splitlines()
    assert {"event": "note", "note": note} in [json.loads(line) for line in lines]
    run = gtk.load("cvae-my-pets-0001")
    assert run.data_spec.condition == gtk.ConditionSpec(("<b>[red]dog", "a cat"))
    assert run.sample(labels=["<b>[red]dog"]).shape == (1, 4, 4)


def test_callbacks_hear_what_there_is_to_know_before_the_training() -> None:
    (write_images(Path("pets"), NAMES) / "notes.txt").touch()
    heard: list[str] = []

    class Hearing:
        @gtk.hookimpl
        def gtk_note(self, note: str) -> None:
            heard.append(note)

        @gtk.hookimpl
        def gtk_train_start(self) -> None:
            heard.append("start")

    for _ in range(2):  # the second time from the cache
        gtk.train(
            plugin="cvae", data="folder:pets", epochs=1, batch_size=8, callbacks=[Hearing()],
            quiet=True,
        )  # fmt: skip
    skipped = "files skipped because their names do not end as those of images: 1 (1 .txt)"
    assert heard == [skipped, "start"] * 2


def test_a_run_that_goes_on_with_changed_files_says_so(gtk_command: Command) -> None:
    write_images(Path("pets"), NAMES)
    arguments = ("--plugin", "cvae", "--data", "folder:pets", *SHORT, "--name", "one", "--quiet")
    assert gtk_command("train", *arguments).code == 0
    result = gtk_command("train", "--resume", "one", "--epochs", 2)
    assert "note:" not in result.err
    file = next(path for path in Path("pets").rglob("*.png"))
    os.utime(file, ns=(1, 1))
    result = gtk_command("train", "--resume", "one", "--epochs", 3)
    assert result.code == 0
    assert "note: the files of the data have changed since the training began" in result.err


def test_a_run_goes_on_where_its_folder_was_renamed(gtk_command: Command) -> None:
    write_images(Path("pets"), NAMES)
    gtk_command("train", "--plugin", "cvae", "--data", "folder:pets", *SHORT, "--quiet")
    Path("pets").rename("animals")
    moved = gtk_command("train", "--resume", "latest", "--epochs", 2)
    assert (moved.code, moved.out) == (2, "")
    assert moved.err.endswith("if they were moved, name their place with --data-root\n")
    arguments = ("train", "--resume", "latest", "--epochs", 2, "--quiet", "--data-root", "animals")
    assert gtk_command(*arguments).code == 0
    write_image(Path("animals/cow/0.png"))
    write_image(Path("animals/cow/1.png"))
    changed = gtk_command(*arguments[:4], 3, *arguments[5:])
    assert changed.code == 2
    assert "are not those that" in changed.err


def test_a_conditional_model_says_that_there_is_no_condition(gtk_command: Command) -> None:
    write_images(Path("pets"), NAMES[:10])
    result = gtk_command("train", "--plugin", "cvae", "--data", "folder:pets", *SHORT)
    assert result.code == 2
    note, error = result.err.splitlines()
    assert note.startswith("note: all images are in one folder, 'a cat', so they are used without")
    assert error.endswith("data set 'pets' are not labelled. Use --conditioner unconditional.")
    flat = ("train", "--plugin", "vae", "--data", "folder:pets/a cat", *SHORT, "--quiet")
    assert gtk_command(*flat).code == 0


def test_numbers_of_a_table_are_asked_for_by_name(gtk_command: Command) -> None:
    write_images(Path("dials"), [f"{number}.png" for number in range(20)])
    lines = [f"{number}.png,{number * 4.5}" for number in range(20)]
    Path("dials/metadata.csv").write_text("\n".join(["file_name,angle", *lines]))
    arguments = ("--plugin", "cvae", "--conditioner", "film", "--data", "folder:dials", *SHORT)
    assert gtk_command("train", *arguments, "--quiet").code == 0
    result = gtk_command("sample", "latest", "--condition", "angle=30", "--out", "x.png")
    assert result.code == 0
    result = gtk_command("sample", "latest", "--condition", "angle=90", "--out", "y.png")
    assert result.code == 2
    assert "angle must be a number in 0..85.5, not" in result.err


def test_an_npz_file_trains(gtk_command: Command) -> None:
    images = np.zeros((20, 4, 4, 3), np.uint8)
    np.savez("things.npz", images=images, labels=np.array(["cup", "mug"] * 10))
    result = gtk_command("train", "--plugin", "cvae", "--data", "npz:things.npz", *SHORT)
    assert result.code == 0
    assert gtk.load("cvae-things-0001").data_spec.condition == gtk.ConditionSpec(("cup", "mug"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("folder:none",), "none does not exist: give a folder with images"),
        (("folder:.",), ". has no images, with names such as 'x.png' or 'x.jpg' (other files: 0)"),
        (("folder",), "data set 'folder' needs a path. Use folder:PATH."),
        (("npz:none.npz",), "none.npz does not exist: give an .npz file"),
        (
            ("folder:.", "--image-size", "0"),
            "image_size must be one or two numbers in 1..1024, not 0",
        ),
        (("folder:.", "--fit", "squeeze"), "Invalid value for '--fit': 'squeeze' is not one of"),
    ],
)
def test_mistakes_are_one_line(
    gtk_command: Command, arguments: tuple[str, ...], message: str
) -> None:
    result = gtk_command("train", "--plugin", "vae", "--data", *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err.splitlines()[-1]
    assert not Path("runs").exists()
