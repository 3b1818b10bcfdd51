"""A file says whether its graph was changed since its proof, or only rewritten."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from changed_graphs import Change, converted, halved, quantized, sixteen, write
from onnx import TensorProto, helper, numpy_helper

from gtk.exports.runtime import load, load_part
from gtk.exports.runtime.graph_digest import graph_digest
from gtk.exports.runtime.manifest_checks import METADATA_KEY

CHANGED = "was changed since it was proven equal to PyTorch"


def one_bit(proto: onnx.ModelProto) -> onnx.ModelProto:
    tensor = max(proto.graph.initializer, key=lambda item: len(item.raw_data))
    tensor.raw_data = bytes([tensor.raw_data[0] ^ 1]) + tensor.raw_data[1:]
    return proto


def reshaped(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Change an attribute alone."""
    node = next(node for node in proto.graph.node if node.op_type == "Gemm")
    next(item for item in node.attribute if item.name == "alpha").f = 0.5
    return proto


def without_relu(proto: onnx.ModelProto) -> onnx.ModelProto:
    next(node for node in proto.graph.node if node.op_type == "Relu").op_type = "Identity"
    return proto


def noted(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Change all that does not change what is computed."""
    proto.producer_name, proto.producer_version, proto.doc_string = "other", "9", "mine"
    proto.model_version, proto.graph.doc_string = 7, "a graph"
    helper.set_model_props(
        proto, {"author": "me", **{item.key: item.value for item in proto.metadata_props}}
    )
    items = (*proto.graph.node, *proto.graph.initializer, *proto.graph.input, *proto.graph.output)
    for item in items:
        item.doc_string = "seen"
        item.metadata_props.add(key="seen", value="yes")
    return onnx.shape_inference.infer_shapes(proto)


def backwards(proto: onnx.ModelProto) -> bytes:
    """Write the fields of the file in another order, as another program may."""
    graph = onnx.ModelProto(graph=proto.graph).SerializeToString()
    rest = onnx.ModelProto()
    rest.CopyFrom(proto)
    rest.ClearField("graph")
    return graph + rest.SerializeToString()


def with_one_constant(kind: int) -> Change:
    """Write one weight in another type, as a tool does where it leaves out most layers."""

    def change(proto: onnx.ModelProto) -> onnx.ModelProto:
        floats = [item for item in proto.graph.initializer if item.data_type == TensorProto.FLOAT]
        least = min(floats, key=lambda item: len(item.raw_data) or 1 << 30)
        name, values = least.name, numpy_helper.to_array(least)
        proto.graph.initializer.remove(least)
        if kind == TensorProto.FLOAT16:
            new = numpy_helper.from_array(values.astype(np.float16), "stored")
            node = helper.make_node("Cast", ["stored"], [name], to=TensorProto.FLOAT)
        else:
            new = helper.make_tensor("stored", kind, values.shape, np.zeros(values.size, np.int8))
            proto.graph.initializer.append(helper.make_tensor("unit", TensorProto.FLOAT, [], [1]))
            node = helper.make_node("DequantizeLinear", ["stored", "unit"], [name])
        proto.graph.initializer.append(new)
        proto.graph.node.insert(0, node)
        return proto

    return change


@pytest.mark.parametrize("kind", [TensorProto.INT8, TensorProto.UINT8, TensorProto.FLOAT16])
def test_one_constant_does_not_make_the_precision(exported: Path, kind: int) -> None:
    path = write(exported, with_one_constant(kind), "changed.onnx")
    assert load(path).facts.precision == "fp32"


CHANGES = [
    (halved, 18, "fp32"), (converted, 21, "fp32"), (sixteen, 18, "fp16"), (quantized, 18, "int8"),
    (one_bit, 18, "fp32"), (reshaped, 18, "fp32"), (without_relu, 18, "fp32"),
]  # fmt: skip


@pytest.mark.usefixtures("each_form")
@pytest.mark.parametrize(("change", "opset", "precision"), CHANGES)
def test_a_changed_file_says_so(
    exported: Path,
    change: Change,
    opset: int,
    precision: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    generator = load(write(exported, change, "changed.onnx"))
    [line] = [record.getMessage() for record in caplog.records if record.name == "gtk"]
    assert line.startswith(f"changed.onnx {CHANGED}")
    assert generator.proven is False
    assert generator.facts.opsets == {"": opset}
    assert generator.facts.precision == precision
    assert generator.sample(count=2).shape == (2, 8, 8)


@pytest.mark.usefixtures("each_form")
@pytest.mark.parametrize("change", [lambda proto: proto, noted, backwards])
def test_a_rewritten_file_is_as_it_was_proven(
    exported: Path, change: Change, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(exported, change, "rewritten.onnx")
    assert load(path).proven is True
    assert load_part(path).proven is True
    assert not caplog.records


@pytest.mark.usefixtures("each_form")
def test_a_file_of_an_earlier_version_is_read_without_a_word(
    exported: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def older(proto: onnx.ModelProto) -> onnx.ModelProto:
        manifest = json.loads(proto.metadata_props[0].value)
        del manifest["graph_sha256"]
        helper.set_model_props(proto, {METADATA_KEY: json.dumps(manifest)})
        return halved(proto)

    assert load(write(exported, older, "older.onnx")).proven is None
    assert not caplog.records


def test_the_manifest_has_the_digest_of_the_graph(exported: Path) -> None:
    manifest = load(exported).contract
    content = exported.read_bytes()
    assert manifest["graph_sha256"] == graph_digest(content)
    beside = json.loads(exported.with_suffix(".json").read_text())
    assert beside["graph_sha256"] == manifest["graph_sha256"] != beside["file"]["sha256"]
    shutil.copy(exported, "copy.onnx")
    assert load("copy.onnx").proven is True
