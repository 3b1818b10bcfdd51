"""Data of the user's own: NAME:PATH, options of the data set, and what a run keeps of both."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gtk

pytestmark = pytest.mark.usefixtures("no_pictures")

Command = Callable[..., Any]
SHORT = ("--epochs", 1, "--batch-size", 10, "--quiet")


@pytest.fixture(autouse=True)
def squares(outside: Path, workplace: Path) -> None:
    (workplace / "my squares.txt").write_text("30")


def test_a_run_is_called_after_the_data_and_keeps_path_and_options(
    gtk_command: Command, workplace: Path
) -> None:
    arguments = ("--plugin", "vae", "--data", "squares:my squares.txt", "--side", 3, *SHORT)
    result = gtk_command("train", *arguments)
    assert (result.code, result.out) == (0, "runs/vae-my-squares-0001\n")
    document = json.loads((workplace / "runs/vae-my-squares-0001/run.json").read_text())
    root = str(workplace / "my squares.txt")
    assert document["data"] == {"name": "squares", "side": 3, "root": root}
    assert gtk.load("vae-my-squares-0001").settings.configs["data"].side == 3
    result = gtk_command("train", "--resume", "latest", "--epochs", 2, "--quiet")
    assert result.code == 0
    result = gtk_command("train", "--recipe", "runs/vae-my-squares-0001/run.json", "--quiet")
    assert result.code == 0
    repeated, first = (
        json.loads(Path(f"runs/vae-my-squares-000{number}/run.json").read_text())
        for number in (2, 1)
    )
    assert repeated["data"] == first["data"]


def test_a_training_of_few_steps_is_noted_unless_it_is_asked_for(workplace: Path) -> None:
    notes = []

    class Listener:
        @gtk.hookimpl
        def gtk_note(self, note: str) -> None:
            notes.append(note)

    options: dict[str, Any] = {"batch_size": 10, "quiet": True, "callbacks": [Listener()]}
    gtk.train(plugin="vae", data="squares:my squares.txt", **options)
    said = "30 training images make 90 steps in 30 epochs, which is a short training"
    assert notes == [f"{said}: epochs=1000 makes 3000 or more"]
    gtk.train(plugin="vae", data="squares:my squares.txt", epochs=2, **options)
    assert len(notes) == 1


def test_from_python_too(workplace: Path) -> None:
    run = gtk.train(
        plugin="vae", data="squares:my squares.txt", side=2, epochs=1, batch_size=10, quiet=True
    )
    again = gtk.train(
        plugin="vae", data="squares", data_root="my squares.txt", epochs=1, batch_size=10,
        quiet=True,
    )  # fmt: skip
    assert run.document["data"]["root"] == again.document["data"]["root"]
    assert (run.document["data"]["side"], again.document["data"]["side"]) == (2, 4)


def test_the_data_sets_options_have_a_heading_in_the_help(gtk_command: Command) -> None:
    text = gtk_command("train", "--plugin", "vae", "--data", "squares", "--help").out
    section = text.partition("Options of data set squares:")[2]
    assert "--side INTEGER" in section
    assert "Pixels across a square.  [default: 4]" in " ".join(section.split()).replace(
        ". [", ".  ["
    )


RECIPE = '[model]\nname = "vae"\n[data]\nname = "squares"\nroot = "my squares.txt"\nside = {}\n'


def test_a_recipe_says_where_and_how_and_a_flag_beats_it(
    gtk_command: Command, workplace: Path
) -> None:
    (workplace / "mine.toml").write_text(RECIPE.format(2))
    (workplace / "other.txt").write_text("20")
    assert gtk_command("train", "--recipe", "mine.toml", *SHORT).code == 0
    result = gtk_command("train", "--recipe", "mine.toml", "--data-root", "other.txt", *SHORT)
    assert result.out == "runs/vae-other-0001\n"
    result = gtk_command("train", "--recipe", "mine.toml", "--data", "squares:other.txt", *SHORT)
    assert result.out == "runs/vae-other-0002\n"
    first, second, third = (
        gtk.load(name).document["data"]
        for name in ("vae-my-squares-0001", "vae-other-0001", "vae-other-0002")
    )
    assert second["root"] == third["root"] == str(workplace / "other.txt")
    assert [table["side"] for table in (first, second, third)] == [2, 2, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--data squares", "data set 'squares' needs a path. Use squares:PATH."),
        ("--data squares:", "'squares:' has no path. Write squares:PATH."),
        ("--data squares:a --data-root b", "squares:a has the path. Leave --data-root out."),
        ("--data digits:a", "data set 'digits' is embedded. Leave the data root out."),
        ("--data squares:none", "none does not say how many squares there are"),
        ("--data squares:a --side 0", "data set 'squares': side must be at least 1, not 0"),
        ("--data nonsense:a", "unknown data set 'nonsense'"),
        ("--data flat", "unknown data set 'flat'. To read the images there, use folder:flat."),
        ("--data ./flat", "To read the images there, use folder:./flat."),
        ("--data a.npz", "To read the images there, use npz:a.npz."),
        ("cvae --quiet", "unexpected extra argument (cvae). Did you mean --plugin cvae? See: "),
        ("--side 3", "No such option '--side'"),
        ("--recipe bad.toml", "bad.toml, line 6: [data] side: must be"),
    ],
)
def test_a_mistake_is_one_line(
    gtk_command: Command, workplace: Path, arguments: str, message: str
) -> None:
    (workplace / "bad.toml").write_text(RECIPE.format(0))
    (workplace / "flat").mkdir()
    (workplace / "a.npz").write_bytes(b"")
    result = gtk_command("train", "--plugin", "vae", *arguments.split())
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert message in result.err
    assert not (workplace / "runs").exists()


def test_the_environment_says_nothing_about_what_is_the_users_own(
    gtk_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENERATIVE_TOOLKIT_DATA", "my squares.txt")
    result = gtk_command("train", "--plugin", "vae", "--data", "squares")
    assert "needs a path. Use squares:PATH." in result.err
