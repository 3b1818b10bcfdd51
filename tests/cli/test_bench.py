"""`gtk bench`: both sides are measured where they are the same, and what is not is said."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import helper
from rich.console import Console

import gtk
from gtk.cli.bench import make_table
from gtk.exports import bench, timing
from gtk.exports.timing import Timing

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, no_pictures: None) -> None:
    monkeypatch.setattr(bench, "SECONDS", 0.002)
    for name in ("BLOCK", "PAUSE", "WARM_UP"):
        monkeypatch.setattr(timing, name, 0.0)


def changed(exported: Path, tmp_path: Path, batch_size: int | None = None, **change: Any) -> Path:
    """Copy an exported file with another contract, and maybe with a fixed batch."""
    proto = onnx.load(exported)
    contract = json.loads({item.key: item.value for item in proto.metadata_props}["gtk"])
    helper.set_model_props(
        proto, {"gtk": json.dumps({**contract, "batch_size": batch_size, **change})}
    )
    if batch_size is not None:
        for port in (*proto.graph.input, *proto.graph.output):
            port.type.tensor_type.shape.dim[0].dim_value = batch_size
    onnx.save(proto, tmp_path / "changed.onnx")
    return tmp_path / "changed.onnx"


def document(gtk_command: Command, *arguments: object) -> dict[str, Any]:
    """Return what the command prints for programs."""
    result = gtk_command("bench", *arguments, "--json")
    assert (result.code, result.err) == (0, "")
    assert result.out.count("\n") == 1
    found: dict[str, Any] = json.loads(result.out)
    return found


def test_a_model_is_built_once_and_once_more_for_its_proof(
    small_run: gtk.Run, gtk_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, loads = gtk.Run.load_model, []

    def counted(run: gtk.Run, checkpoint: Any = None) -> gtk.Model:
        loads.append(checkpoint)
        return load(run, checkpoint)

    monkeypatch.setattr(gtk.Run, "load_model", counted)
    assert gtk_command("bench", small_run.path, "--batch-size", "1").code == 0
    assert loads == [440, 440]


@pytest.mark.parametrize("first", [0, 1])
def test_a_file_of_numbered_classes_is_compared_by_their_indices(
    exported: Path, small_run: gtk.Run, tmp_path: Path, gtk_command: Command, first: int
) -> None:
    manifest = json.loads(exported.with_suffix(".json").read_text())
    names = sorted(str(number) for number in range(first, first + 12))[:10]
    condition = {**manifest["condition"], "names": names, "numbers": "names"}
    path = changed(exported, tmp_path, condition=condition)
    found = document(gtk_command, path, "--runs", small_run.path.parent, "--batch-size", "1")
    assert found["no_pytorch"] is None
    assert found["batch_sizes"][0]["pytorch"] is not None


def test_a_run_is_measured_on_both_sides(small_run: gtk.Run, gtk_command: Command) -> None:
    before = sorted(small_run.path.rglob("*"))
    result = gtk_command("bench", small_run.path)
    assert (result.code, result.err) == (0, "")
    assert sorted(small_run.path.rglob("*")) == before, "nothing is written"
    lines = result.out.splitlines()
    assert lines[0] == f"part        decoder of {small_run.path}, fp32"
    assert "CPU threads on both sides" in lines[1]
    assert lines[2].startswith("versions    onnxruntime ")
    assert ", torch " in lines[2]
    assert "onnxruntime and PyTorch in turns" in lines[3]
    *_, titles, units = (line.split() for line in lines[:-6])
    assert titles == ["onnxruntime", "PyTorch"]
    assert units == ["batch", "ms", "images/s", "ms", "images/s", "ratio"]
    assert [line.split()[0] for line in lines[-6::2]] == ["1", "16", "256"]
    assert all(line.count("..") == 2 for line in lines[-5::2]), "quartiles are below the median"


def test_the_table_fits_into_sixty_columns() -> None:
    timing = Timing(median=0.0000123456, lower=0.0000122222, upper=0.0000134444, calls=7)
    shown = StringIO()
    console = Console(width=60, file=shown, soft_wrap=True)
    console.print(make_table({1: [timing, timing]}, with_torch=True))
    lines = shown.getvalue().splitlines()
    assert lines[3].split() == ["0.0122..0.0134"] * 2
    assert max(len(line.rstrip()) for line in lines) <= 60


def test_programs_are_told_the_protocol_too(
    exported: Path, gtk_command: Command, small_run: gtk.Run
) -> None:
    found = document(
        gtk_command, exported, "--runs", small_run.path.parent, "--batch-size", "2,5,2"
    )
    assert found["part"] == "decoder"
    assert found["device"] == "cpu"
    assert found["threads"] >= 1
    assert set(found["versions"]) == {"onnxruntime", "torch"}
    assert found["protocol"].startswith("for each batch size 0.002 s of blocks")
    assert found["no_pytorch"] is None
    assert [row["batch_size"] for row in found["batch_sizes"]] == [2, 5]
    for row in found["batch_sizes"]:
        for side in ("onnxruntime", "pytorch"):
            figures = row[side]
            assert 0 < figures["lower_quartile_ms"] <= figures["median_ms"]
            assert figures["median_ms"] <= figures["upper_quartile_ms"]
            images = figures["images_per_second"] * figures["median_ms"] / 1000
            assert images == pytest.approx(row["batch_size"])
            assert figures["calls"] >= 1
        ratio = row["pytorch"]["median_ms"] / row["onnxruntime"]["median_ms"]
        assert row["ratio"] == pytest.approx(ratio)


@pytest.mark.parametrize(("load", "said"), [(0.0, False), (99.0, True), (None, False)])
def test_a_busy_machine_is_told(
    exported: Path,
    gtk_command: Command,
    monkeypatch: pytest.MonkeyPatch,
    load: float | None,
    said: bool,
) -> None:
    monkeypatch.setattr(bench, "load_average", lambda: load)
    result = gtk_command("bench", exported, "--batch-size", 1)
    assert ("other programs use 99.0 cores" in result.out) is said
    assert document(gtk_command, exported, "--batch-size", 1)["load_average"] == load


def test_a_file_in_its_run_needs_no_runs(
    small_run: gtk.Run, gtk_command: Command, tmp_path: Path
) -> None:
    run = gtk.Run(shutil.copytree(small_run.path, tmp_path / "elsewhere" / "renamed"))
    path = gtk.export(run, part="encoder").path
    found = document(gtk_command, path, "--batch-size", 1)
    assert found["part"] == "encoder"
    assert found["batch_sizes"][0]["pytorch"] is not None


@pytest.mark.parametrize("part", ["decoder", "encoder"])
@pytest.mark.parametrize(
    "options",
    [
        {"precision": "fp16"},
        {"image": "uint8", "layout": "nhwc"},
        {"layout": "nhwc"},
        {"image": "uint8", "precision": "fp16", "batch_size": 3},
    ],
    ids=str,
)
def test_every_form_of_a_file_is_found_equal_to_its_run(
    small_run: gtk.Run, gtk_command: Command, part: str, options: dict[str, Any]
) -> None:
    gtk.export(small_run, "form.onnx", part=part, **options)
    found = document(gtk_command, "form.onnx", "--runs", small_run.path.parent, "--batch-size", 3)
    assert found["no_pytorch"] is None
    assert found["batch_sizes"][0]["ratio"] > 0


def alone(gtk_command: Command, *arguments: object) -> str:
    """Check that onnxruntime alone was measured, and return why."""
    found = document(gtk_command, *arguments, "--batch-size", 2)
    assert found["batch_sizes"][0]["onnxruntime"]["calls"] >= 1
    assert found["batch_sizes"][0]["pytorch"] is None
    assert found["batch_sizes"][0]["ratio"] is None
    assert set(found["versions"]) == {"onnxruntime"}
    shown = gtk_command("bench", *arguments, "--batch-size", 2).out
    assert "PyTorch\n" not in shown
    why: str = found["no_pytorch"]
    assert f"no PyTorch  {why}" in shown
    return why


def test_a_file_without_its_run_is_measured_alone(exported: Path, gtk_command: Command) -> None:
    why = alone(gtk_command, exported)
    assert "its run, small, is neither where the file lies nor among the runs" in why


def test_weights_that_are_not_the_files_are_not_taken_for_them(
    exported: Path, gtk_command: Command, workplace: Path
) -> None:
    gtk.train(plugin="cvae", runs="others", name="small", epochs=20, seed=5, quiet=True)
    why = alone(gtk_command, exported, "--runs", "others")
    assert why == "the weights in others/small are not the file's"


def test_a_run_of_another_kind_or_step_is_not_taken_for_the_files(
    exported: Path, gtk_command: Command, workplace: Path
) -> None:
    gtk.train(plugin="cgan", runs="others", name="small", epochs=20, network="mlp", quiet=True)
    why = alone(gtk_command, exported, "--runs", "others")
    assert why == (
        "others/small cannot be used: unknown part 'decoder'. Known: discriminator, generator."
    )
    gtk.train(plugin="cvae", runs="shorter", name="small", epochs=1, quiet=True)
    why = alone(gtk_command, exported, "--runs", "shorter")
    assert why.startswith("shorter/small cannot be used: shorter/small has no checkpoint '440'")
    (workplace / "broken" / "small").mkdir(parents=True)
    (workplace / "broken" / "small" / "run.json").write_text("{}")
    assert "broken/small/run.json is damaged: Object missing required field `format`" in alone(
        gtk_command, exported, "--runs", "broken"
    )


@pytest.mark.parametrize(
    ("name", "runs"),
    [("../small", "runs"), ("..", "small/pictures"), ("WORK/small", "runs")],
)
def test_a_name_in_a_file_does_not_lead_out_of_the_runs(
    exported: Path, gtk_command: Command, small_run: gtk.Run, workplace: Path, name: str, runs: str
) -> None:
    shutil.copytree(small_run.path, workplace / "small")
    for folder in ("runs", "files"):
        (workplace / folder).mkdir()
    path = changed(exported, workplace / "files", run=name.replace("WORK", str(workplace)))
    assert (workplace / runs / name.replace("WORK", str(workplace)) / "run.json").exists()
    why = alone(gtk_command, path, "--runs", runs)
    assert "is neither where the file lies nor among the runs" in why


def test_a_graph_that_fails_is_one_line(
    exported: Path, gtk_command: Command, tmp_path: Path
) -> None:
    proto = onnx.load(changed(exported, tmp_path))
    [node] = [node for node in proto.graph.node if node.op_type == "Where"]
    past = helper.make_tensor("past", onnx.TensorProto.INT64, [], [99])
    proto.graph.initializer.append(past)
    node.input[1] = node.input[2] = "past"  # a label that there is not
    onnx.save(proto, tmp_path / "failing.onnx")
    result = gtk_command("bench", tmp_path / "failing.onnx")
    assert (result.code, result.out) == (2, "")
    assert "failing.onnx on cpu at batch" in result.err
    assert result.err.count("\n") == 1


def test_names_in_a_file_do_not_command_the_terminal(
    exported: Path, gtk_command: Command, tmp_path: Path
) -> None:
    result = gtk_command("bench", changed(exported, tmp_path, run="\x1b[2J\x07"))
    assert result.code == 0
    assert not {"\x1b", "\x07"} & set(result.out)


def test_a_fixed_batch_is_measured_at_its_size(
    exported: Path, gtk_command: Command, tmp_path: Path
) -> None:
    path = changed(exported, tmp_path, batch_size=4)
    assert [row["batch_size"] for row in document(gtk_command, path)["batch_sizes"]] == [4]
    result = gtk_command("bench", path, "--batch-size", "1,4")
    assert (result.code, result.out) == (2, "")
    assert "the file takes only batches of 4" in result.err


def test_a_file_is_measured_without_torch(exported: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'onnxscript', 'sklearn', 'safetensors', 'filelock'):\n"
        "    sys.modules[name] = None\n"
        "from gtk.exports import bench\n"
        "bench.SECONDS = 0.001\n"
        "from gtk.cli.main import run\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, "bench", str(exported), "--batch-size", "2"]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "no PyTorch  torch is not installed here" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("RUN --batch-size 0", "a batch size is a whole number in 1..8192, not 0"),
        ("RUN --batch-size 1,1000000000", "a batch size is a whole number in 1..8192, not 10000"),
        ("RUN --batch-size x", "'x' must be whole numbers such as"),
        ("RUN --batch-size=", "a batch size is a whole number in 1..8192, not"),
        ("RUN --batch-size=-5", "a batch size is a whole number in 1..8192, not -5"),
        ("RUN --part decodr", "unknown part 'decodr'. Did you mean 'decoder'?"),
        ("RUN --device gpu", "unknown device 'gpu'"),
        ("FILE --device gpu", "unknown device 'gpu'"),
        ("FILE --part decoder", "which holds one part. Leave --part out, or name a run"),
        ("fake.onnx", "fake.onnx is not an ONNX file"),
        ("none.onnx", "none.onnx cannot be read"),
        ("nothing", "unknown run 'nothing'"),
        ("", "Missing argument 'RUN|FILE.onnx'"),
    ],
)
def test_mistakes_are_one_line(
    small_run: gtk.Run,
    exported: Path,
    gtk_command: Command,
    workplace: Path,
    arguments: str,
    message: str,
) -> None:
    (workplace / "fake.onnx").write_text("not ONNX")
    words = arguments.replace("RUN", str(small_run.path)).replace("FILE", str(exported)).split()
    result = gtk_command("bench", *words)
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert message in result.err
