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


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_only_public_names_are_used(path) -> None:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        modules = []
        if isinstance(node, ast.Import):
            modules = [item.name for item in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module]
        for module in modules:
            if module.partition(".")[0] == "gtk":
                assert module in PUBLIC
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert node.value.id != "gtk" or node.attr in {*gtk.__all__, "__all__"}


def test_listing_it_needs_no_torch() -> None:
    code = "import sys, gtk_plugin_vqvae as it; it.gtk_models(); it.gtk_losses()"
    code += "; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_depends_on_gtk_alone() -> None:
    names = [re.match(r"[\w-]+", item)[0] for item in requires("gtk-plugin-vqvae")]
    assert names == ["generative-toolkit", "pytest"]
