"""`gtk export`: what is typed, what is printed, and how it ends."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import gtk
from gtk.exports.runtime import load

Command = Callable[..., Any]


@pytest.fixture
def small(small_run: gtk.Run, workplace: Path) -> Path:
    """A run in the working folder's runs."""
    return shutil.copytree(small_run.path, workplace / "runs" / "small")


def added(folder: Path) -> list[str]:
    """Return the files that lie in a run's folder beside what training left."""
    return sorted(path.name for path in folder.glob("small-*"))


def test_it_says_what_it_wrote_how_near_that_is_and_what_to_do_next(
    gtk_command: Command, small: Path
) -> None:
    result = gtk_command("export", "small")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    size = (small / "small-decoder.onnx").stat().st_size
    assert lines[0] == (
        f"decoder: runs/small/small-decoder.onnx, {size:,} bytes, fp32, opset 18, batch of any size"
    )
    assert lines[1].startswith("  image differs from PyTorch by at most ")
    assert lines[1].endswith("; none of 1,408 8-bit pixels differs")
    assert lines[2].startswith("  tolerance 1e-05, compared at batch 1, 2, 3 and 16, in ")
    assert "\nPython:\n" in result.out
    assert "\nJavaScript:\n" in result.out
    assert (
        lines[-1] == "  gtk sample runs/small/small-decoder.onnx --label 9 -n 16 --out samples.png"
    )
    assert added(small) == ["small-decoder.json", "small-decoder.onnx"]
    typed = lines[-1].split()[1:]
    assert gtk_command(*typed).code == 0
    assert Path("samples.png").exists()


def test_the_python_lines_run(gtk_command: Command, small: Path) -> None:
    out = gtk_command("export", "small", "--out", "it's.onnx").out
    snippet = out.split("\nPython:\n")[1].split("\nJavaScript:\n")[0]
    done = subprocess.run([sys.executable, "-c", snippet], check=True, capture_output=True)
    assert b"uint8" in done.stdout


def test_all_parts_with_options(gtk_command: Command, small: Path) -> None:
    result = gtk_command(
        *("export", "small", "--part", "all", "--out", "parts", "--precision", "fp16"),
        *("--image", "uint8", "--layout", "nhwc", "--batch-size", "4", "--opset", "19"),
    )
    assert (result.code, result.err) == (0, "")
    assert "decoder: parts/small-decoder.onnx, " in result.out
    assert " bytes, fp16, opset 19, batch 4\n" in result.out
    assert "  tolerance 0.005, compared at batch 4, in " in result.out
    assert "  tolerance 0.005 + 0.005 of each value, compared at batch 4, in " in result.out
    assert "  log_variance differs from PyTorch by at most " in result.out
    assert sorted(path.name for path in Path("parts").iterdir()) == [
        f"small-{part}.{end}" for part in ("decoder", "encoder") for end in ("json", "onnx")
    ]
    contract = json.loads(Path("parts/small-encoder.json").read_text())
    assert contract["batch_size"] == 4
    assert contract["image"]["layout"] == "NHWC"


def test_json_is_one_object_a_file_and_nothing_else(gtk_command: Command, small: Path) -> None:
    result = gtk_command("export", "small", "--part", "all", "--json")
    assert (result.code, result.err) == (0, "")
    decoder, encoder = (json.loads(line) for line in result.out.splitlines())
    assert [decoder["part"], encoder["part"]] == ["decoder", "encoder"]
    for item in (decoder, encoder):
        content = Path(item["file"]).read_bytes()
        assert item["size"] == len(content)
        assert item["sha256"] == sha256(content).hexdigest()
        assert item["seconds"] > 0
        assert item["written"] is True
        contract = json.loads(Path(item["contract"]).read_text())
        assert item["parity"].pop("largest") <= 1e-4
        assert item["parity"] == contract["parity"]


def test_a_dry_run_says_that_it_is_one(gtk_command: Command, small: Path) -> None:
    result = gtk_command("export", "small", "--dry-run")
    assert result.code == 0
    assert result.out.endswith("  not written, this is a dry run\n")
    assert json.loads(gtk_command("export", "small", "--dry-run", "--json").out)["written"] is False
    assert added(small) == []


def test_a_run_with_exports_can_be_replaced(gtk_command: Command, small: Path) -> None:
    assert gtk_command("export", "small", "--part", "all").code == 0
    result = gtk_command("export", "small", "--part", "all")
    assert result.code == 2
    assert "small-decoder.onnx exists. Add --overwrite to replace it" in result.err
    assert gtk_command("export", "small", "--part", "all", "--overwrite").code == 0
    assert len(added(small)) == 4
    gtk.Run(small).check_removable()


MISTAKES = [
    ("--part decodr", 2, "unknown part 'decodr'. Did you mean 'decoder'?"),
    ("--part generator", 2, "unknown part 'generator'. Known: decoder, encoder."),
    ("--part sampler", 2, "unknown part 'sampler'. Known: decoder, encoder."),
    ("--opset 3", 2, "opset 3 cannot be written: use 18 to 26"),
    ("--opset 13", 2, "opset 13 cannot be written: use 18 to 26"),
    ("--opset 99", 2, "opset 99 cannot be written: use 18 to 26"),
    ("--opset -1", 2, "opset -1 cannot be written: use 18 to 26"),
    ("--opset latest", 2, "'latest' is not a valid integer"),
    ("--part encoder --opset 17", 2, "cannot be written in opset 17, use 18 to 26"),
    ("--precision int8", 2, "'int8' is not one of 'fp32', 'fp16'"),
    ("--image png", 2, "'png' is not one of 'float', 'uint8'"),
    ("--layout chw", 2, "'chw' is not one of 'nchw', 'nhwc'"),
    ("--batch-size 0", 2, "a fixed batch size is a whole number in 1..1024, not 0"),
    ("--batch-size -1", 2, "a fixed batch size is a whole number in 1..1024, not -1"),
    ("--batch-size 1.5", 2, "'1.5' must be 'dynamic' or a whole number such as 16"),
    ("--batch-size x", 2, "'x' must be 'dynamic' or a whole number such as 16"),
    ("--atol x", 2, "'x' is not a valid float"),
    ("--atol -1", 2, "the tolerance must be a number of at least 0, not -1.0"),
    ("--atol nan", 2, "the tolerance must be a number of at least 0, not nan"),
    ("--atol 0", 1, "image of the exported file differs from PyTorch by"),
    ("--precision fp16 --atol 1e-6", 1, "the tolerance is 1e-06; no file was written"),
    ("--checkpoint 7", 2, "checkpoint"),
    ("--out taken.onnx", 2, "taken.onnx exists. Add --overwrite to replace it"),
    ("--out beside.onnx", 2, "beside.json exists and is not the manifest of beside.onnx"),
    ("--out notes.txt", 2, "notes.txt has another ending: give a name that ends in .onnx"),
    ("--out runs", 2, "runs is a folder: give the name of a file in it"),
    ("--part all --out taken.onnx", 2, "taken.onnx would hold several files: give a folder"),
    ("--part all --out beside.json", 2, "beside.json is not a folder"),
    ("--part all --out no/where", 2, "no is not a folder you can write to"),
    ("--overwrit", 2, "No such option '--overwrit'"),
]


@pytest.mark.parametrize(("typed", "code", "message"), MISTAKES, ids=[item[0] for item in MISTAKES])
def test_a_mistake_costs_one_line_and_changes_nothing(
    gtk_command: Command, small: Path, workplace: Path, typed: str, code: int, message: str
) -> None:
    (workplace / "taken.onnx").write_text("precious")
    (workplace / "beside.json").write_text("{}")
    before = {path: path.stat().st_mtime_ns for path in workplace.rglob("*")}
    result = gtk_command("export", "small", "--json", *typed.split())
    assert result.code == code
    assert result.out == ""
    assert result.err.startswith("gtk: error: ")
    assert result.err.count("\n") == 1
    assert message in result.err
    assert {path: path.stat().st_mtime_ns for path in workplace.rglob("*")} == before


def test_a_link_stays_and_what_it_leads_to_is_replaced(gtk_command: Command, small: Path) -> None:
    Path("real.onnx").write_text("old")
    Path("link.onnx").symlink_to("real.onnx")
    assert gtk_command("export", "small", "--out", "link.onnx", "--overwrite").code == 0
    assert Path("link.onnx").is_symlink()
    assert load("real.onnx").classes is not None
    assert Path("link.json").exists()


def test_the_help_says_what_half_precision_is_for(gtk_command: Command) -> None:
    words = " ".join(gtk_command("export", "--help").out.split())
    assert "fp16 halves the file, for GPUs and downloads; a CPU gains nothing by it" in words
