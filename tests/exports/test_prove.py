"""A file that another tool has changed is proven anew, or refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest
from changed_graphs import (
    Change,
    converted,
    halved,
    in_blocks,
    in_qdq,
    negated,
    quantized,
    sixteen,
    write,
)

import gtk
from gtk.core.values.errors import ExportMismatch, InvalidValue, UserError
from gtk.exports.runtime import load, load_part


def renamed(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Name the batch axis as some tools do, and remove the manifest."""
    for item in (*proto.graph.input, *proto.graph.output):
        item.type.tensor_type.shape.dim[0].dim_param = "N"
    del proto.graph.value_info[:], proto.metadata_props[:]
    return proto


@pytest.mark.parametrize(
    ("change", "opset", "precision", "tolerance"),
    [
        (converted, 21, "fp32", 1e-5), (sixteen, 18, "fp16", 5e-3), (quantized, 18, "int8", 0.1),
        (in_qdq, 18, "int8", 0.1), (in_blocks, 18, "int4", 0.25), (renamed, 18, "fp32", 1e-5),
    ],
)  # fmt: skip
def test_a_changed_file_is_proven_as_it_is(
    small_run: gtk.Run, exported: Path, change: Change, opset: int, precision: str, tolerance: float
) -> None:
    path = write(exported, change, "changed.onnx")
    before = path.read_bytes()
    proven = gtk.export(small_run, "new.onnx", prove=path)
    assert (proven.contract["opset"], proven.contract["precision"]) == (opset, precision)
    assert proven.contract["parity"]["tolerance"] == tolerance
    assert 0 < proven.parity.largest <= tolerance
    assert ("float16" in proven.contract["parity"]) == (precision == "fp16")
    assert load("new.onnx").proven is True
    assert load("new.onnx").contract == proven.contract
    beside = json.loads(Path("new.json").read_text())
    assert beside.pop("file")["sha256"] == proven.sha256
    assert beside == proven.contract
    assert path.read_bytes() == before
    drawn = load("new.onnx").sample(count=10, seed=1).astype(int)
    assert abs(drawn - small_run.sample(count=10, seed=1)).max() <= 255 * tolerance + 1


def test_a_file_that_differs_is_refused_with_the_figure(small_run: gtk.Run, exported: Path) -> None:
    write(exported, halved, "changed.onnx")
    message = r"at batch 1 image of the exported file differs from PyTorch by 0\.\d+, the tolerance"
    with pytest.raises(ExportMismatch, match=message):
        gtk.export(small_run, "new.onnx", prove="changed.onnx")
    assert not list(Path.cwd().glob("new*"))
    loose = gtk.export(small_run, "new.onnx", prove="changed.onnx", tolerance=1.0)
    assert loose.contract["parity"]["tolerance"] == 1.0


def test_the_message_names_the_tolerance_that_would_do(small_run: gtk.Run, exported: Path) -> None:
    write(exported, halved, "changed.onnx")
    with pytest.raises(
        ExportMismatch, match=r"good enough for you, add tolerance=0\.\d\d?$"
    ) as caught:
        gtk.export(small_run, "new.onnx", prove="changed.onnx")
    needed = float(str(caught.value).rpartition("=")[2])
    with pytest.raises(ExportMismatch, match=f"add tolerance={needed}$"):
        gtk.export(small_run, "new.onnx", prove="changed.onnx", tolerance=needed * 0.9)
    gtk.export(small_run, "new.onnx", prove="changed.onnx", tolerance=needed)


def test_no_tolerance_is_named_for_another_model_or_for_a_file_of_gtks(
    small_run: gtk.Run, exported: Path
) -> None:
    write(exported, negated, "changed.onnx")
    with pytest.raises(ExportMismatch, match="no file was written$"):
        gtk.export(small_run, "new.onnx", prove="changed.onnx")
    with pytest.raises(ExportMismatch, match="no file was written$"):
        gtk.export(small_run, "new.onnx", tolerance=0)


def test_quantized_codes_are_compared_by_their_spread(small_run: gtk.Run) -> None:
    gtk.export(small_run, "encoder.onnx", part="encoder")
    write(Path("encoder.onnx"), quantized, "changed.onnx")
    proven = gtk.export(small_run, "new.onnx", prove="changed.onnx")
    parity = proven.contract["parity"]
    assert parity["spreads"].keys() == {"mean", "log_variance"}
    assert load_part("new.onnx").contract["parity"]["spreads"] == proven.parity.spreads
    for name, found in proven.parity.outputs.items():
        assert found.needed == pytest.approx(found.largest / parity["spreads"][name])
    with pytest.raises(ExportMismatch) as caught:
        gtk.export(small_run, "tight.onnx", prove="changed.onnx", tolerance=1e-3)
    message = str(caught.value)
    assert "the tolerance is 0.001 of the outputs' spread, " in message
    assert "quantize with reduce_range=True, or unsigned weights. If this file is" in message


@pytest.mark.parametrize("kind", ["float", "uint8"])
def test_its_form_is_found(small_run: gtk.Run, kind: Any) -> None:
    gtk.export(small_run, "form.onnx", image=kind, layout="nhwc", batch_size=3)
    write(Path("form.onnx"), converted, "changed.onnx")
    proven = gtk.export(small_run, "new.onnx", prove="changed.onnx")
    assert proven.contract["image"]["layout"] == "NHWC"
    assert proven.contract["image"]["dtype"] == ("uint8" if kind == "uint8" else "float32")
    assert proven.contract["batch_size"] == 3
    write(Path("form.onnx"), halved, "changed.onnx")
    with pytest.raises(ExportMismatch, match="at batch 3 image of the exported file differs"):
        gtk.export(small_run, "wrong.onnx", prove="changed.onnx")


def test_it_is_proven_against_the_part_and_checkpoint_that_it_names(small_run: gtk.Run) -> None:
    gtk.export(small_run, "early.onnx", part="encoder", checkpoint=308)
    write(Path("early.onnx"), converted, "changed.onnx")
    proven = gtk.export(small_run, "new.onnx", prove="changed.onnx")
    assert (proven.part, proven.contract["step"]) == ("encoder", 308)
    assert load_part("new.onnx").proven is True
    with pytest.raises(ExportMismatch, match="mean of the exported file differs from PyTorch"):
        gtk.export(small_run, "other.onnx", prove="changed.onnx", checkpoint=440)


def test_a_file_with_float16_at_its_ends_says_how_to_convert_it(
    small_run: gtk.Run, exported: Path
) -> None:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    write(exported, convert_float_to_float16, "changed.onnx")
    message = (
        r"^changed\.onnx has inputs and outputs in float16, which gtk reads in float32: convert "
        r"the file with keep_io_types=True, or export it anew: gtk export RUN --precision fp16$"
    )
    with pytest.raises(ValueError, match=message):
        load("changed.onnx")
    with pytest.raises(UserError, match="Convert it with keep_io_types=True"):
        gtk.export(small_run, "new.onnx", prove="changed.onnx")


def test_a_file_of_other_inputs_is_refused(small_run: gtk.Run, exported: Path) -> None:
    with pytest.raises(UserError) as caught:
        gtk.export(small_run, "new.onnx", prove=exported, part="encoder")
    assert str(caught.value) == (
        f"{exported} takes z float32 (batch, 16), label int64 (batch); part 'encoder' of plugin "
        "'cvae' takes image float32 (batch, 1, 8, 8), label int64 (batch). Name the run that it "
        "was exported from, and the part with part"
    )


def test_what_cannot_be_proven_is_refused(small_run: gtk.Run, exported: Path) -> None:
    shutil.copy(exported, "mine.onnx")
    Path("text.onnx").write_text("text")
    refused: list[tuple[str, dict[str, Any], str]] = [
        ("mine.onnx", {"opset": 21}, "opset is how gtk writes a file, mine.onnx is proven as"),
        ("mine.onnx", {"precision": "fp16"}, "precision is how gtk writes a file"),
        ("none.onnx", {}, "none.onnx cannot be read: No such file"),
        ("text.onnx", {}, "text.onnx is not an ONNX file but text, which begins"),
    ]
    for name, options, message in refused:
        with pytest.raises(UserError, match=message):
            gtk.export(small_run, "new.onnx", prove=name, **options)
    with pytest.raises(UserError, match=r"the proven copy of mine\.onnx needs a name"):
        gtk.export(small_run, prove="mine.onnx")
    with pytest.raises(UserError, match=r"mine\.onnx exists"):
        gtk.export(small_run, "mine.onnx", prove="mine.onnx")
    with pytest.raises(InvalidValue, match="precision is fp32 or fp16, not 'int8'"):
        gtk.export(small_run, "new.onnx", precision="int8")  # type: ignore[arg-type]
    assert not Path("new.onnx").exists()
