"""One bad run hides no other, and nothing in a run's folder stalls gtk or fills its memory."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gtk
from gtk.core.storage.run_document import write_json
from gtk.core.storage.runs import last_written, list_runs

Command = Callable[..., Any]


@pytest.fixture
def runs(small_run: gtk.Run, workplace: Path) -> Path:
    """A folder with one good run."""
    shutil.copytree(small_run.path, workplace / "runs" / "small")
    return workplace / "runs"


def broken(runs: Path, name: str, content: bytes | str) -> Path:
    """Make a run folder with this as its run.json."""
    (runs / name).mkdir()
    file = runs / name / "run.json"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def test_a_bad_run_is_listed_with_its_fault_and_hides_no_other(
    gtk_command: Command, runs: Path, small_run: gtk.Run
) -> None:
    whole = small_run.document
    broken(runs, "cut", "{")
    broken(runs, "deep", '{"format": 1, "later": ' + "[" * 200_000)
    broken(runs, "digits", '{"format": ' + "9" * 5_000 + "}")
    broken(runs, "future", '{"format": 2}')
    broken(runs, "infinite", '{"format": 1e400}')
    broken(runs, "latin", b'{"format": 1, "later": "\xff"}')
    broken(runs, "nested", json.dumps({**whole, "notes": []}).replace("[]", "[" * 80 + "]" * 80))
    broken(runs, "null", json.dumps({**whole, "threads": None}))
    broken(runs, "wide", json.dumps({**whole, "data_spec": {
        **whole["data_spec"], "width": 10**6, "height": 10**6,
    }}))  # fmt: skip
    broken(runs, "pipe", "").unlink()
    os.mkfifo(runs / "pipe" / "run.json")
    broken(runs, "zeros", "").unlink()
    (runs / "zeros" / "run.json").symlink_to("/dev/zero")
    with broken(runs, "huge", "").open("wb") as file:
        file.truncate(2**34)
    (runs / "notes").mkdir()
    os.mkfifo(runs / "fifo")
    result = gtk_command("runs")
    assert result.code == 0
    assert "20/20" in result.out
    for name, fault in (
        ("cut", "run.json is damaged: Input data was truncated"),
        ("deep", "run.json is damaged: it is nested too deeply"),
        ("digits", "run.json is damaged: Integer value out of range - at `$.format`"),
        ("future", "has format 2, this gtk reads 1"),
        ("infinite", "run.json is damaged: Number out of range"),
        ("latin", "run.json is damaged: Invalid UTF-8"),
        ("nested", "run.json is damaged: it is nested too deeply"),
        ("null", "run.json is damaged: Expected `int`, got `null` - at `$.threads`"),
        ("wide", "run.json is damaged: images of 1 x 1000000 x 1000000 are too large"),
        ("pipe", "run.json cannot be read: it is not an ordinary file"),
        ("zeros", "run.json cannot be read: it is a link"),
        ("huge", "run.json cannot be read: it is larger than 16,777,216 bytes"),
    ):
        line = next(line for line in result.out.splitlines() if line.startswith(f"{name} cannot"))
        assert fault in line
        reported = gtk_command("report", name)
        assert (reported.code, fault in reported.err) == (2, True), reported.err
    assert "notes" not in result.out
    assert "fifo" not in result.out
    assert [run.name for run in list_runs(runs)] == ["small"]
    assert gtk_command("report", "latest").code == 0
    shutil.rmtree(runs / "small")
    assert "cut cannot be opened" in gtk_command("runs").out


def test_a_run_that_vanishes_is_the_oldest(runs: Path) -> None:
    (run,) = list_runs(runs)
    shutil.rmtree(run.path)
    assert last_written(run) == 0


def test_a_path_that_is_not_utf_8_is_read_and_written_again(
    gtk_command: Command, runs: Path, small_run: gtk.Run
) -> None:
    root = os.fsdecode(b"/data/caf\xe9")
    document = {**small_run.document, "data": {"name": "mnist", "root": root}, "later": [1]}
    document["data_spec"] = {**document["data_spec"], "name": root}
    write_json(runs / "small" / "run.json", document)
    assert r"caf\udce9" in (runs / "small" / "run.json").read_text()
    run = gtk.Run(runs / "small")
    assert run.document == document
    run.folder("diary")
    assert gtk.Run(run.path).document == {**document, "folders": ["diary"]}, "with the unknown"
    for arguments in (("runs",), ("report", "small"), ("sample", "small", "--out", "a.png")):
        assert gtk_command(*arguments).code == 0, arguments


def test_a_run_of_an_older_version_opens(small_run: gtk.Run, runs: Path) -> None:
    later = ("created", "recipe", "images", "content", "notes", "versions", "networks")
    document = json.loads((small_run.path / "run.json").read_text())
    document = {key: value for key, value in document.items() if key not in later}
    for package in document["packages"].values():
        package.pop("version", None)
    del document["train"]["patience"]
    write_json(runs / "small" / "run.json", document)
    run = gtk.load("small")
    assert run.sample([3]).shape == (1, 8, 8)
