"""Surroundings in which a good deal is wrong."""

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gtk.core.registry import plugin_module
from gtk.core.registry.installed import all_installed

ENTRY = "[gtk.models]\n{name} = gtk_plugin_{name}\ngan = gtk_plugin_{name}\n"
#: What installers have left behind: a package's name, its METADATA and its entry points.
DAMAGED = {
    "hollow": (None, ENTRY.format(name="hollow")),
    "nameless": ("Metadata-Version: 2.1\n", ENTRY.format(name="nameless")),
    "shapeless": ("Metadata-Version: 2.1\nName: shapeless\nVersion: 1\n", "[gtk.models]\na = ?!\n"),
}


@pytest.fixture(autouse=True)
def plugins_alone(no_pictures: None) -> None:
    """Pictures of a training have no part in who touches whom."""


@pytest.fixture
def surroundings(
    packages: Path, rival: Path, tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:  # fmt: skip
    """All packages of tests/packages, good and bad, rivals, and some with broken metadata."""
    damaged = tmp_path_factory.mktemp("damaged")
    for name, (metadata, entry_points) in DAMAGED.items():
        leave_behind(damaged, name, metadata, entry_points)
    for site in (packages, rival, damaged):
        monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (packages, rival, damaged))))
    forget()
    yield
    for name in [name for name in sys.modules if name.startswith("gtk_plugin_")]:
        del sys.modules[name]
    forget()


def leave_behind(site: Path, name: str, metadata: str | None, entry_points: str) -> None:
    """Make what an installer leaves of a package, whole or not."""
    folder = site / f"{name}-0.3.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text(entry_points)
    if metadata is not None:
        (folder / "METADATA").write_text(metadata)


@pytest.fixture
def garbled(surroundings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Besides, a package whose entry points are none, for which Python itself reads no others.

    Triton, and so torch, cannot be imported beside it, which is not gtk's to mend.
    """
    site = tmp_path / "garbled"
    site.mkdir()
    metadata = "Metadata-Version: 2.1\nName: garbled\nVersion: 1\n"
    leave_behind(site, "garbled", metadata, "[gtk.models]\nno sign\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(site), os.environ["PYTHONPATH"])))
    forget()


def forget() -> None:
    """Have discovery look again."""
    importlib.invalidate_caches()
    all_installed.cache_clear()
    plugin_module.manager.cache_clear()
