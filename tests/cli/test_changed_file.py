"""What commands say of a file that was changed since it was proven."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from changed_graphs import Change, converted, halved, quantized, sixteen, write

import gtk

Command = Callable[..., Any]

CHANGED = "was changed since it was proven equal to PyTorch"


@pytest.mark.parametrize(
    ("change", "opset", "precision"),
    [(converted, 21, "fp32"), (sixteen, 18, "fp16"), (quantized, 18, "int8")],
)
def test_inspect_shows_a_changed_file_as_it_is(
    exported: Path, gtk_command: Command, change: Change, opset: int, precision: str
) -> None:
    write(exported, change, "changed.onnx")
    shown = gtk_command("inspect", "changed.onnx")
    assert shown.code == 0
    text = " ".join(shown.out.split())
    assert f"opset {opset}, {precision}, any batch size" in text
    assert f"parity none: changed.onnx {CHANGED}" in text
    assert "from PyTorch's" not in text
    told = json.loads(gtk_command("inspect", "changed.onnx", "--json").out)
    part = told["parts"]["decoder"]
    assert (part["proven"], part["precision"], part["opsets"]) == (False, precision, {"": opset})


def test_inspect_shows_the_proof_of_a_file_as_it_was_written(
    exported: Path, gtk_command: Command
) -> None:
    text = " ".join(gtk_command("inspect", exported).out.split())
    assert "from PyTorch's" in text
    assert CHANGED not in text
    assert json.loads(gtk_command("inspect", exported, "--json").out)["parts"]["decoder"]["proven"]


def test_commands_say_that_a_file_was_changed_and_go_on(exported: Path) -> None:
    write(exported, halved, "changed.onnx")
    command = ["sample", "changed.onnx", "-n", "2", "--out", "two.png"]
    drawn = subprocess.run(
        [sys.executable, "-m", "gtk", *command], check=True, capture_output=True, text=True
    )
    assert drawn.stderr.startswith(f"changed.onnx {CHANGED}")
    assert Path("two.png").exists()


def test_a_changed_file_is_proven_on_the_command_line(
    small_run: gtk.Run, exported: Path, gtk_command: Command
) -> None:
    write(exported, quantized, "changed.onnx")
    command = ["export", small_run.path, "--prove", "changed.onnx"]
    done = gtk_command(*command, "--out", "new.onnx")
    assert (done.code, done.err) == (0, "")
    assert "decoder: new.onnx, " in done.out
    assert "bytes, int8, opset 18, batch of any size" in done.out
    shown = gtk_command("inspect", "new.onnx")
    assert (shown.code, shown.err) == (0, "")
    assert "tolerance 0.1)" in " ".join(shown.out.split())
    for arguments, code, message in (
        (["--out", "a.onnx", "--tolerance", "1e-6"], 1, "image of the exported file differs from"),
        (["--out", "a.onnx", "--opset", "18"], 2, "--opset is how gtk writes a file, changed.onnx"),
        (["--out", "a.onnx", "--part", "all"], 2, "--prove takes one file: name its part"),
        ([], 2, "the proven copy of changed.onnx needs a name: give one with --out"),
    ):
        done = gtk_command(*command, *arguments)
        assert done.code == code
        assert message in done.err
        assert len(done.err.splitlines()) == 1
    assert not Path("a.onnx").exists()
