"""The page on reliability names tests that exist, and quotes what gtk says."""

import ast
import re
import shutil
from functools import cache
from pathlib import Path

import pages
import pytest

import gtk
from gtk.cli.main import run

PAGE = pages.ROOT / "docs" / "reliability.md"
EXIT_CODES = {"", "0", "1", "2", "129", "130", "143", "-9"}


def rows(columns: int) -> list[list[str]]:
    """Return the cells of all rows of tables that have so many columns, without the headings."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    tables = [line.strip("|").split("|") for line in lines if line.startswith("|")]
    found = [[cell.strip() for cell in row] for row in tables if len(row) == columns]
    return [row for row in found if row[0] != "fault" and not row[0].startswith("---")]


FAULTS = rows(5)
REQUESTS = [row for row in rows(2) if re.fullmatch(r"`[a-z].*`", row[0])]


@cache
def names_of_tests(name: str) -> set[str]:
    """Return the names of the tests in a file below tests/."""
    tree = ast.parse((pages.ROOT / "tests" / name).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_row_names_a_test_that_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE.read_text(encoding="utf-8"))
    missing = [f"{file}::{test}" for file, test in named if test not in names_of_tests(file)]
    assert not missing
    assert all("::" in row[-1] for row in FAULTS)


def test_there_are_many_faults_and_each_has_an_exit_code() -> None:
    assert len(FAULTS) >= 60
    assert len({row[0] for row in FAULTS}) == len(FAULTS), "a fault stands there twice"
    assert {row[3] for row in FAULTS} <= EXIT_CODES


@pytest.fixture
def place(small_run: gtk.Run, workplace: Path) -> Path:
    """The folder that the page's requests are typed in."""
    shutil.copytree(small_run.path, workplace / "runs" / "small")
    for name in ("notes.txt", "fake.onnx", "taken.png"):
        (workplace / name).write_text("text")
    (workplace / "folder").mkdir()
    (workplace / "folder" / "mine.txt").touch()
    return workplace


@pytest.mark.parametrize(("request_", "message"), REQUESTS, ids=[row[0] for row in REQUESTS])
def test_a_request_is_answered_as_the_page_says(
    request_: str, message: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(place.rglob("*"))
    assert run(request_.strip("`").split()) == 2
    assert capsys.readouterr() == ("", f"gtk: error: {message.strip('`')}\n")
    assert sorted(place.rglob("*")) == before
