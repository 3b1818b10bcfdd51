"""What is wrong with a package touches nobody who does not name it."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import gtk
from gtk.core.registry.discovery import find
from gtk.core.registry.installed import DATASET, MODEL, installed
from gtk.core.settings.choice import Choice
from gtk.defaults import DEFAULT_DATA, built_in_names, find_recipe

COMMANDS = (
    ["--help"],
    ["plugins"],
    ["recipes"],
    ["runs"],
    ["data"],
    ["train", "--help"],
    ["train", "--plugin", "generative-toolkit/cvae", "--help"],
    ["train", "--recipe", "cvae-mlp", "--help"],
)
CODE = """
import contextlib, io, json, sys
from gtk.cli.main import run
said = []
for command in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert run(command) == 0
    said.append(out.getvalue())
print(json.dumps([said, sorted(sys.modules)]))
"""


def run_commands(environment: dict[str, str]) -> tuple[dict[str, str], set[str]]:
    """Run all commands in a new process; return what each said and what was imported."""
    result = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(COMMANDS)],
        check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert not result.stderr
    said, modules = json.loads(result.stdout)
    return dict(zip(map(" ".join, COMMANDS), said, strict=True)), set(modules)


def rows(table: str) -> set[str]:
    """Return a table's rows without its lines, and without spaces, which depend on other rows."""
    return {re.sub(r"[^\w.,:;()/-]", "", line) for line in table.splitlines()} - {""}


@pytest.mark.usefixtures("garbled")
def test_listings_and_help_import_nothing_of_them_and_say_the_same() -> None:
    plain = {**os.environ, "COLUMNS": "200"}
    surrounded, modules = run_commands(plain)
    alone, modules_alone = run_commands({**plain, "PYTHONPATH": ""})
    assert modules == modules_alone
    assert not any(name.startswith("gtk_plugin_") for name in modules)
    listings = {"plugins", "data", "train --help"}  # these name what is installed
    for command in alone.keys() - listings:
        assert surrounded[command] == alone[command]
    for command in ("plugins", "data"):
        assert rows(alone[command]) <= rows(surrounded[command])
    assert "gtk-plugin-unruly" in surrounded["plugins"]


def test_a_training_has_the_same_bits(request: pytest.FixtureRequest) -> None:
    def train(name: str) -> dict[str, bytes]:
        run = gtk.train(plugin="generative-toolkit/cvae", name=name, epochs=2, quiet=True)
        packages = {table["package"] for table in run.document["packages"].values()}
        assert packages == {"generative-toolkit"}
        files = [*run.path.rglob("*.safetensors"), run.path / "metrics.jsonl"]
        return {str(file.relative_to(run.path)): file.read_bytes() for file in files}

    alone = train("alone")
    request.getfixturevalue("surroundings")
    assert len(installed(MODEL)) > 10
    before = set(sys.modules)
    assert train("surrounded") == alone
    assert not any(name.startswith("gtk_plugin_") for name in set(sys.modules) - before)


@pytest.mark.usefixtures("garbled")
def test_what_can_be_read_is_found_beside_what_cannot() -> None:
    with pytest.raises(TypeError):
        entry_points(group="gtk.models")
    assert {item.name for item in installed(MODEL)} >= {"vae", "painter", "hollow"}
    assert find(MODEL, "gtk-plugin-rival/painter").spec.summary == "Another one."
    assert len([item for item in installed(MODEL) if item.name == "gan"]) > 1
    assert find(MODEL, "gan").installed.package == "generative-toolkit"


@pytest.mark.usefixtures("surroundings")
def test_recipes_of_gtk_s_own_mean_its_own_plugins() -> None:
    assert {item.package for item in installed(DATASET) if item.name == "digits"} == {
        "generative-toolkit", "gtk-plugin-rival",
    }  # fmt: skip
    for name in built_in_names():
        choice = Choice.by_name(None, recipe=find_recipe(name), default_data=DEFAULT_DATA)
        packages = {plugin.installed.package for plugin in choice.plugins.values()}
        assert packages == {"generative-toolkit"}, name
        assert choice.presets["model"], "its options were written for these"


@pytest.mark.usefixtures("surroundings")
def test_a_run_s_plugins_are_found_again(tmp_path: Path) -> None:
    run = gtk.train(plugin="gtk-plugin-rival/vae", epochs=1, quiet=True)
    owners = {name: item["package"] for name, item in run.document["packages"].items()}
    # The data set is nobody's default but gtk's, and its model names no sampler; the rest is the
    # package's own.
    assert owners == {
        "data": "generative-toolkit", "model": "gtk-plugin-rival",
        "conditioner": "gtk-plugin-rival", "loss": "gtk-plugin-rival",
        "sampler": "generative-toolkit",
    }  # fmt: skip
    longer = gtk.train(resume=run.path, epochs=2, quiet=True)
    assert {name: item["package"] for name, item in longer.document["packages"].items()} == owners
