"""What tests of the documentation share: somebody who reads it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from reader import Reader, forget_plugins


@pytest.fixture
def reader(
    workplace: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Reader]:
    """A reader at an empty desk, with this interpreter's programs."""
    bin_folder = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    site = tmp_path_factory.mktemp("installed") / "site"
    site.mkdir()
    for folder in (site, workplace):
        monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # files change within a second here
    yield Reader(workplace, site)
    monkeypatch.undo()
    forget_plugins()
