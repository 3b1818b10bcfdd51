"""What reaches a terminal: nothing from a file, a path or a name acts on it, and nothing fails."""

import ast
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import processes
import pytest
from rich.table import Table

import gtk
from gtk.pictures.console import SafeConsole

Command = Callable[..., Any]
ROOT = Path(gtk.__file__).parent
#: What a terminal acts on, and what rich would take for markup and an emoji.
HOSTILE = "\x1b[2J\x07\u202e[red]:cat:\r\nsecond"
SHOWN = r"\x1b[2J\x07\u202e[red]:cat:\r\nsecond"
ACTING = set("\x1b\x07\u202e\r")
#: The files that may print, and what with. Elsewhere only a console of `SafeConsole` prints.
PRINTING = {
    "cli/console.py": {"stream.write", "SafeConsole"},
    "cli/progress_bar.py": {"SafeConsole"},
    "plugins/callbacks/progress.py": {"SafeConsole"},
    "exports/single_file.py": {"sys.stderr.write"},
    "cli/main.py": {"traceback.print_exc"},  # wanted by an environment variable
}
PRINTS = re.compile(
    r"print|(click\.)?(echo|secho|echo_via_pager|confirm|prompt)|(rich\.)?print(_json)?"
    r"|(stream|sys\.(__)?std(out|err)(__)?)\.(buffer\.)?write(lines)?|traceback\.print_\w+"
    r"|warnings\.(warn|showwarning)|(\w+\.)*(Safe)?Console|os\.write|logging\.\w+"
)
#: What keeps others silent; gtk itself logs nothing.
SILENT = {"logging.getLogger", "logging.NullHandler", "logging.disable"}


def calls(path: Path) -> Iterator[ast.Call]:
    """Yield the calls in a file; click's functions are called by its name."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node
        if isinstance(node, ast.ImportFrom) and node.module == "click":
            assert not {"echo", "secho"} & {alias.name for alias in node.names}


def test_every_print_is_one_that_escapes() -> None:
    found: dict[str, set[str]] = {}
    for path in ROOT.rglob("*.py"):
        for call in calls(path):
            name = ast.unparse(call.func)
            if PRINTS.fullmatch(name) and name not in SILENT and name != "print_json":
                found.setdefault(path.relative_to(ROOT).as_posix(), set()).add(name)
    assert found == PRINTING


def test_every_text_of_rich_is_escaped() -> None:
    """It is printed as it is, unlike a string, and so is a `Segment`."""
    for path in ROOT.rglob("*.py"):
        for call in calls(path):
            if ast.unparse(call.func).split(".")[-1] in ("Text", "Segment") and call.args:
                assert ast.unparse(call.args[0]).startswith("visible("), f"{path}:{call.lineno}"


def test_a_console_prints_strings_and_paths_in_one_line() -> None:
    for stream, shown in ((io.StringIO(), SHOWN), (encoded("ascii"), SHOWN)):
        console = SafeConsole(file=stream, soft_wrap=True, force_terminal=False, width=500)
        table = Table(HOSTILE, title=HOSTILE, caption=HOSTILE)
        table.add_row(HOSTILE)
        for item in (HOSTILE, Path(HOSTILE), table):
            console.print(item)
        text = text_of(stream)
        assert not ACTING & set(text)
        assert text.count(shown) == 6
        assert text.splitlines()[:2] == [shown, shown]


def encoded(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding, "strict", "\n")


def text_of(stream: io.TextIOBase) -> str:
    stream.flush()
    if isinstance(stream, io.StringIO):
        return stream.getvalue()
    return stream.buffer.getvalue().decode(stream.encoding)  # type: ignore[attr-defined, no-any-return]


def test_what_an_encoding_lacks_is_replaced_in_a_console() -> None:
    stream = encoded("cp1252")
    console = SafeConsole(file=stream, width=500)
    table = Table("Katze é 猫")
    table.add_row("犬")
    console.print(table)
    assert "Katze é \\u732b" in text_of(stream)
    assert "| \\u72ac " in text_of(stream), "and its cell is as wide"


@pytest.fixture
def place(small_run: gtk.Run, workplace: Path) -> Path:
    """A folder of runs with one whose folder and data set are called something hostile."""
    run = workplace / "runs" / HOSTILE
    shutil.copytree(small_run.path, run)
    document = json.loads((run / "run.json").read_text())
    document["data_spec"]["name"] = HOSTILE
    document["recipe"] = HOSTILE
    (run / "run.json").write_text(json.dumps(document))
    return workplace


@pytest.mark.parametrize(
    "line",
    [
        "runs",
        "report RUN",
        "report RUN --out OUT.html",
        "sample RUN -n 1 --label 1 --out OUT.png",
        "traverse RUN --out OUT.png",
        "animate RUN --out OUT.gif",
        "export RUN --out OUT.onnx",
        "inspect RUN",
        "compare RUN RUN --out OUT.html",
        "sample OUT.onnx",
        "sample RUN --label RUN --out OUT.png",
        "report OUT",
        "train --resume RUN",
        "train --resume RUN --epochs 21 --quiet",
        "train --plugin OUT",
        "train --recipe OUT.toml",
        "recipes OUT",
        "data folder:OUT",
        "OUT",
        "--OUT",
        "train --plugin cvae --OUT",
    ],
)
def test_no_command_prints_a_name_as_it_is(gtk_command: Command, place: Path, line: str) -> None:
    words = {"RUN": HOSTILE if line.startswith("runs") else f"runs/{HOSTILE}", "OUT": HOSTILE}
    arguments = [re.sub("RUN|OUT", lambda match: words[match[0]], word) for word in line.split()]
    result = gtk_command(*arguments)
    assert not ACTING & set(result.out + result.err)
    assert result.out + result.err
    assert (result.code, result.err.count("\n")) == (0, 0) or result.code in (0, 2)
    if result.code:
        assert result.err.count("\n") == 1


def test_a_recipe_s_values_are_escaped_in_the_help(gtk_command: Command, workplace: Path) -> None:
    values = json.dumps(HOSTILE)
    (workplace / "x.toml").write_text(
        f'[model]\nname = "cvae"\n[data]\nname = "folder"\nroot = {values}\n'
    )
    result = gtk_command("train", "--recipe", "x.toml", "--help")
    assert result.code == 0, result.err
    assert not ACTING & set(result.out)
    assert "x1b[2J" in result.out


def test_a_completion_has_no_name_that_a_terminal_acts_on(place: Path) -> None:
    from click.shell_completion import BashComplete

    from gtk.cli.main import gtk as group

    shutil.copytree(place / "runs" / HOSTILE, place / "runs" / "plain")
    completions = BashComplete(group, {}, "gtk", "_GTK_COMPLETE").get_completions(["report"], "")
    assert [item.value for item in completions] == ["latest", "plain"]


def test_a_long_message_is_cut_in_its_middle(gtk_command: Command) -> None:
    result = gtk_command("sample", "x" * 100_000 + "y")
    assert result.code == 2
    assert len(result.err) < 5000
    assert result.err.startswith("gtk: error: ")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize(
    "line", ["runs", "runs --runs 猫", "inspect 猫", "recipes 猫", "report run"]
)
def test_no_encoding_makes_a_command_fail(
    small_run: gtk.Run, workplace: Path, encoding: str, line: str
) -> None:
    shutil.copytree(small_run.path, workplace / "runs" / "run 猫")
    shutil.copytree(small_run.path, workplace / "run")
    streams = f"""
import io, sys
for name in ("stdout", "stderr"):
    setattr(sys, name, io.TextIOWrapper(getattr(sys, name).buffer, {encoding!r}, "strict"))
"""
    result = processes.python(streams + processes.command(*line.split()))
    assert result.returncode == (0 if line.startswith(("runs", "report")) else 2), result.stderr
    assert "Traceback" not in result.stderr
    if line != "report run":
        assert "\\u732b" in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("gtk recipes >&-", 0),
        ("gtk runs >&-", 0),
        ("gtk plugins 2>&-", 0),
        ("gtk --help >&-", 0),
        ("gtk --version >&- 2>&-", 0),
        ("gtk recipes >&- 2>&- <&-", 0),
        ("gtk nothing 2>&-", 2),
        ("gtk nothing 2>/dev/full", 2),
        ("gtk recipes >/dev/full", 1),
        ("gtk recipes >/dev/full 2>/dev/full", 1),
    ],
)
def test_closed_and_full_streams_do_no_harm(workplace: Path, command: str, code: int) -> None:
    run = f"gtk() {{ '{sys.executable}' -m gtk \"$@\"; }}; {command}"
    result = subprocess.run(["bash", "-c", run], capture_output=True, text=True, check=False)
    assert result.returncode == code
    assert result.stderr.count("\n") <= 1


@pytest.mark.parametrize("command", ["runs", "recipes", "plugins", "--help", "recipes cvae-mlp"])
def test_a_full_standard_output_is_named(workplace: Path, command: str) -> None:
    line = f"'{sys.executable}' -m gtk {command} >/dev/full"
    result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    message = "gtk: error: standard output cannot be written: No space left on device\n"
    assert (result.returncode, result.stderr) == (1, message)


def test_a_file_does_not_take_the_place_of_a_closed_stream(workplace: Path) -> None:
    """What a library prints to a closed standard output must not go into the next file."""
    code = """
import os
from gtk.cli.main import run
assert run(["recipes"]) == 0
with open("file.txt", "w") as file:
    os.write(1, b"printed by a library")
    print("printed by a plugin")
"""
    shell = f"'{sys.executable}' -c '{code}' >&-"
    subprocess.run(["bash", "-c", shell], check=True)
    assert not Path("file.txt").read_bytes()
