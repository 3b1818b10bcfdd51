"""Options of a sampler on the command line: those of the run's own, or of the one that is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gtk

Command = Callable[..., Any]


def test_options_are_the_sampler_s_under_one_name_or_two(
    small_run: gtk.Run, gtk_command: Command, workplace: Path
) -> None:
    files = []
    for name, options in {
        "plain": [],
        "bare": ["--temperature", "0.5"],
        "long": ["--sampler-temperature", "0.5"],
        "before": [],
    }.items():
        place = ["--temperature=0.5"] if name == "before" else []
        path = workplace / f"{name}.png"
        result = gtk_command("sample", *place, small_run.path, *options, "-n", 4, "--out", path)
        assert result.code == 0, result.err
        files.append(path.read_bytes())
    plain, *cooled = files
    assert plain not in cooled
    assert len(set(cooled)) == 1
    shown = gtk_command("sample", small_run.path, "--help").out
    assert "Options of sampler direct" in shown
    assert "--temperature" in shown


@pytest.mark.parametrize("command", ["sample", "interpolate", "traverse"])
def test_every_picture_is_drawn_by_the_sampler(
    command: str, small_run: gtk.Run, gtk_command: Command, workplace: Path
) -> None:
    for name, options in {"a": [], "b": ["--truncation", "0.5"]}.items():
        path = workplace / f"{name}.png"
        assert gtk_command(command, small_run.path, *options, "--out", path).code == 0
    assert (workplace / "a.png").read_bytes() != (workplace / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sampler", "heum"], "unknown sampler 'heum'"),
        (["--temperature", "-1"], "temperature must be at least 0"),
        (["--temperature", "x"], "'x' is not a valid float"),
        (["--steps", "8"], "No such option '--steps'"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, small_run: gtk.Run, gtk_command: Command
) -> None:
    result = gtk_command("sample", small_run.path, *arguments, "--out", "x.png")
    assert (result.code, len(result.err.strip().splitlines())) == (2, 1)
    assert message in result.err
    assert not Path("x.png").exists()


def test_a_file_has_its_sampler(exported: Path, gtk_command: Command) -> None:
    result = gtk_command("sample", exported, "--sampler", "direct", "--out", "x.png")
    assert result.code == 2
    assert "which holds one sampler" in result.err


def test_a_file_needs_no_data(exported: Path, gtk_command: Command) -> None:
    result = gtk_command("sample", exported, "--data-root", ".", "--out", "x.png")
    assert (result.code, len(result.err.strip().splitlines())) == (2, 1)
    assert "--data-root is for runs, and" in result.err
