"""No input raises any error but gtk's own, hangs, or fills the memory.

benchmarks/fuzz.py tries more.
"""

import os
import shutil
import signal
from pathlib import Path

import pytest
import readers
from few import check

import gtk


@pytest.mark.parametrize("name", readers.ALONE)
def test_files_and_command_lines(workplace: Path, name: str) -> None:
    check(readers.ALONE[name])


@pytest.fixture(scope="module")
def exported(small_run: gtk.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gtk.export(small_run, tmp_path_factory.mktemp("exported") / "run.onnx").path


@pytest.mark.parametrize("name", ["manifest", "sidecar", "onnx"])
def test_exported_files(workplace: Path, exported: Path, name: str) -> None:
    for path in exported.parent.iterdir():
        shutil.copy(path, workplace)
    check(readers.file_kinds(exported)[name])


def test_the_limits_are_felt(workplace: Path) -> None:
    def large(_: object) -> None:
        bytearray(2 << 30)

    def endless(_: object) -> None:
        os.kill(os.getpid(), signal.SIGALRM)

    with pytest.raises(MemoryError):
        readers.attempt(readers.Kind(lambda random: b"", large), b"")
    with pytest.raises(readers.Fault, match="more than 10 seconds"):
        readers.attempt(readers.Kind(lambda random: b"", endless), b"")
