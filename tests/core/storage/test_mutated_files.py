"""Whatever stands in a file of a run, gtk opens the run or says in one line what is wrong."""

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import gtk
from gtk.cli.runs import runs as list_command
from gtk.core.registry.entry_points import read_entry_points
from gtk.core.settings.recipe import read_recipe
from gtk.core.storage.command import next_commands
from gtk.core.storage.comparison import caveats, compared, differing_settings
from gtk.core.values.errors import GtkError
from gtk.pictures.comparison import Drawn, comparison
from gtk.pictures.curves import loss_curves
from gtk.pictures.report import report
from gtk.pictures.setup import environment_tables, settings_tables

#: One of each kind, and numbers beyond what arrays, clocks and prints take.
VALUES: list[Any] = [
    None, True, -1, 1e308, 10**18, 10**30, "x", "\udcff", [], ["x"], {"a": {"b": [None]}},
]  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every entry, of a list to its first."""
    if at:
        yield at
    known = value.items() if isinstance(value, dict) else ()
    for key, child in known or enumerate(value[:1] if isinstance(value, list) else ()):
        yield from places(child, (*at, key))


def changed(document: Any, at: tuple[Any, ...], value: Any) -> Any:
    """Return a copy with another value, or without the entry for `...`."""
    copied = table = copy.deepcopy(document)
    for key in at[:-1]:
        table = table[key]
    if value is ...:
        del table[at[-1]]
    else:
        table[at[-1]] = value
    return copied


@pytest.fixture
def run(small_run: gtk.Run, tmp_path: Path) -> gtk.Run:
    """A run that may be changed, without pictures."""
    path = tmp_path / "runs" / "small"
    path.mkdir(parents=True)
    for name in ("run.json", "metrics.jsonl"):
        shutil.copy(small_run.path / name, path)
    return gtk.Run(path)


def refused(work: Callable[[], object]) -> str:
    """Return the message of gtk's own error, an empty string if there is none."""
    try:
        work()
    except GtkError as error:
        return str(error)
    return ""


def survives(small_run: gtk.Run, run: gtk.Run) -> None:
    """Do what opening a run is for; only gtk's own errors may end it."""
    for work in (
        next_commands,
        settings_tables,
        environment_tables,
        lambda it: it.settings,
        lambda it: it.condition,
        lambda it: differing_settings(compared([small_run, it])),
        lambda it: caveats(compared([small_run, it])),
    ):
        refused(lambda work=work: work(run))  # type: ignore[misc]


def test_any_value_in_run_json_is_used_or_refused(
    small_run: gtk.Run, run: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = list(read_entry_points())  # the message for an unknown plugin reads all of them
    monkeypatch.setattr("gtk.core.registry.unknown_plugin.read_entry_points", lambda: known)
    file, opened = run.path / "run.json", 0
    document = json.loads(file.read_text())
    for at in places(document):
        for value in (..., *VALUES):
            file.write_text(json.dumps(changed(document, at, value)))
            reason = refused(lambda: read_recipe(file))
            assert not reason or "run.json" in reason, (at, value)
            reason = refused(lambda: gtk.Run(run.path))
            if reason:
                assert str(file) in reason, (at, value)
                continue
            opened += 1
            survives(small_run, gtk.Run(run.path))
    assert opened > 100


def test_any_value_in_a_line_of_metrics_is_used_or_refused(
    small_run: gtk.Run, run: gtk.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    file, used = run.metrics_file.path, 0
    lines = [*run.metrics_file.lines()][::9]
    first, last = lines[0], lines[-1]
    for index, line in ((0, first), (-1, last)):
        for at in places(line):
            for value in (..., *VALUES):
                lines[index] = changed(line, at, value)
                file.write_text("".join(json.dumps(item) + "\n" for item in lines))
                list_command.callback(runs=run.path.parent)  # type: ignore[misc]
                assert "small" in capsys.readouterr().out
                refused(lambda: next_commands(run))
                reason = refused(run.metrics)
                if reason:
                    assert str(file) in reason
                    continue
                used += 1
                report(run)
                comparison(compared([small_run, run]), [Drawn(None), Drawn(None)], 0)
        lines[index] = line
    assert used > 40
    first["terms"]["loss"], last["terms"]["loss"] = -1e308, 1e308  # their distance is infinite
    file.write_text(f"{json.dumps(first)}\n{json.dumps(last)}\n")
    assert "1e+308" not in report(run)
    loss_curves(run.metrics())
