"""The package is what anybody could write: it uses gtk's public names alone."""

import ast
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import gtk_plugin_vqvae
import pytest

import gtk

FOLDERS = (Path(gtk_plugin_vqvae.__file__).parent, Path(__file__).parent)
SOURCES = [path for folder in FOLDERS for path in sorted(folder.glob("*.py"))]
#: Modules of gtk that are public besides gtk itself.
PUBLIC = {"gtk", "gtk.testing", "gtk.exports.runtime"}


def private_names(source: str) -> list[str]:
    """Return what a module uses of gtk that is not public."""
    found = []
    for node in ast.walk(ast.parse(source)):
        modules, names = [], []
        if isinstance(node, ast.Import):
            modules = [item.name for item in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "gtk":
            names = [item.name for item in node.names if f"gtk.{item.name}" not in PUBLIC]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules = [node.module]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names = [node.attr] if node.value.id == "gtk" else []
        found += [it for it in modules if it.partition(".")[0] == "gtk" and it not in PUBLIC]
        found += [f"gtk.{name}" for name in names if name not in {*gtk.__all__, "__all__"}]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_only_public_names_are_used(path) -> None:
    assert private_names(path.read_text()) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from gtk import Model, core, testing", ["gtk.core"]),
        ("from gtk import *", ["gtk.*"]),
        ("from gtk.core.contracts.model import Model", ["gtk.core.contracts.model"]),
        ("import gtk.testing, gtk.cli as cli", ["gtk.cli"]),
        ("import gtk\n\ngtk.core.model.Model", ["gtk.core"]),
        ("from gtk.testing import plugin_checks", []),
    ],
)
def test_what_is_not_public_is_found(source, found) -> None:
    assert private_names(source) == found


def test_listing_it_needs_no_torch() -> None:
    code = "import sys, gtk_plugin_vqvae as it; it.gtk_models(); it.gtk_losses()"
    code += "; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_depends_on_gtk_alone() -> None:
    names = [re.match(r"[\w-]+", item)[0] for item in requires("gtk-plugin-vqvae")]
    assert names == ["generative-toolkit", "pytest"]
