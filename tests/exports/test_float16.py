"""A file in float16 is proven in float16 arithmetic, which onnxruntime has only on GPUs."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import gtk
from gtk.core.values.errors import ExportMismatch
from gtk.exports.candidate import in_float16
from gtk.exports.float16_arithmetic import (
    REFERENCE_ROWS,
    ROWS,
    OnnxReference,
    is_slow,
    rounded,
    rows_to_compare,
)
from gtk.exports.runtime.session import open_session
from gtk.plugins.vae.model import ExpectedImage, VariationalAutoencoder


def rarely_too_large(z: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Make white images by way of numbers beyond float16's range in one of a hundred rows."""
    large = z.sum(1).abs() * 6_000
    return 0 * images + (1 / (1 + large / 2_000 / 10_000)).reshape(-1, 1, 1, 1)


@pytest.fixture
def rarely_wrong(small_run: gtk.Run, monkeypatch: pytest.MonkeyPatch) -> gtk.Run:
    """A run whose decoder fits float16 in most rows."""
    right = VariationalAutoencoder.sample

    class Rare(ExpectedImage):
        def forward(self, z: torch.Tensor, label: torch.Tensor | None = None) -> torch.Tensor:
            return rarely_too_large(z, super().forward(z, label))

    def exports(self: VariationalAutoencoder) -> dict[str, gtk.ExportPart]:
        return {"decoder": gtk.ExportPart(Rare(self), ("z", "label"), ("image",))}

    def sample(self: Any, noise: torch.Tensor, condition: Any) -> torch.Tensor:
        return rarely_too_large(noise, right(self, noise, condition))

    monkeypatch.setattr(VariationalAutoencoder, "exports", exports)
    monkeypatch.setattr(VariationalAutoencoder, "sample", sample)
    return small_run


def test_rows_that_float16_cannot_compute_are_found(rarely_wrong: gtk.Run) -> None:
    assert gtk.export(rarely_wrong, "whole.onnx").parity.largest < 1e-5
    message = r"in float16 arithmetic image of the exported file differs from PyTorch by 0\.99"
    with pytest.raises(ExportMismatch, match=message) as caught:
        gtk.export(rarely_wrong, "half.onnx", precision="fp16")
    assert "the tolerance is 0.005; no file was written" in str(caught.value)
    assert "precision='fp32'" in str(caught.value)
    assert not list(Path.cwd().glob("half*"))


def graph_of(nodes: list[onnx.NodeProto], **weights: Any) -> onnx.ModelProto:
    """Return a graph from x, (batch, 1), to y, whose nodes compute in float16 between h and r."""
    ports = [helper.make_tensor_value_info(name, 1, ["batch", 1]) for name in ("x", "y")]
    into = helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16)
    out = helper.make_node("Cast", ["r"], ["y"], to=TensorProto.FLOAT)
    tensors = [numpy_helper.from_array(np.array(it), name) for name, it in weights.items()]
    graph = helper.make_graph([into, *nodes, out], "g", ports[:1], ports[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def in_onnxruntime(proto: onnx.ModelProto, x: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    found: np.ndarray = open_session(proto.SerializeToString()).run(None, {"x": x})[0]  # type: ignore[type-arg,union-attr]
    return found


HALF = helper.make_tensor(
    "t", TensorProto.FLOAT16, [1], np.array([300], np.float16).tobytes(), True
)


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        ([helper.make_node("Mul", ["h", "k"], ["m"]), helper.make_node("Div", ["m", "k"], ["r"])],
         {"k": np.float16(300)}),
        ([helper.make_node("Add", ["h", "k"], ["m"]), helper.make_node("Sub", ["m", "k"], ["r"])],
         {"k": np.float16(2048)}),
        ([helper.make_node("Constant", [], ["k"], value=HALF),
          helper.make_node("Mul", ["h", "k"], ["m"]), helper.make_node("Div", ["m", "k"], ["r"])],
         {}),
        ([helper.make_node("Cast", ["h"], ["f"], to=TensorProto.FLOAT),
          helper.make_node("Mul", ["f", "k"], ["m"]), helper.make_node("Div", ["m", "k"], ["g"]),
          helper.make_node("Cast", ["g"], ["r"], to=TensorProto.FLOAT16)],
         {"k": np.float32(300)}),
    ],
    ids=["overflow", "lost bits", "a constant", "float32 between"],
)  # fmt: skip
def test_a_rounded_graph_computes_as_onnx_says(
    nodes: list[onnx.NodeProto], weights: dict[str, Any]
) -> None:
    proto = graph_of(nodes, **weights)
    x = np.float32([[0.3], [1], [2049], [300], [60_000], [70_000]])
    with np.errstate(all="ignore"):
        exact = ReferenceEvaluator(proto).run(None, {"x": x})[0]
    assert np.array_equal(in_onnxruntime(rounded(proto), x), exact, equal_nan=True)


def test_onnxruntime_on_the_cpu_hides_what_float16_loses() -> None:
    """The reason for rounded graphs; where this fails, they are no longer needed."""
    nodes = [helper.make_node("Mul", ["h", "k"], ["m"]), helper.make_node("Div", ["m", "k"], ["r"])]
    proto, x = graph_of(nodes, k=np.float16(300)), np.float32([[300]])
    assert in_onnxruntime(proto, x) == 300
    assert in_onnxruntime(rounded(proto), x) == np.inf


@pytest.mark.parametrize("kind", ["float", "uint8"])
def test_the_manifest_has_the_worst_difference_in_float16(small_run: gtk.Run, kind: Any) -> None:
    exported = gtk.export(small_run, "half.onnx", precision="fp16", image=kind)
    found = exported.contract["parity"]["float16"]
    assert (found["rows"], found["reference_rows"]) == (ROWS, REFERENCE_ROWS)
    largest = found["differences"]["image"]["largest"]
    assert found["differences"]["image"]["values"] == (ROWS + REFERENCE_ROWS) * 64
    assert largest <= exported.parity.largest <= 5e-3
    if kind == "float":
        assert largest > 1e-4
    whole = gtk.export(small_run, "whole.onnx")
    assert "float16" not in whole.contract["parity"]
    assert whole.parity.float16 is None


def test_fewer_rows_of_a_large_model_are_compared() -> None:
    def widening(size: int) -> onnx.ModelProto:
        shape = np.array([1, size], np.int64)
        nodes = [
            helper.make_node("Expand", ["h", "shape"], ["m"]),
            helper.make_node("ReduceSum", ["m", "axis"], ["r"]),
        ]
        return graph_of(nodes, shape=shape, axis=np.array([1], np.int64))

    rows = [rows_to_compare(widening(size)) for size in (10, 1 << 20, 1 << 30)]
    assert rows == [ROWS, 127, 1]


def test_onnx_own_implementation_is_left_out_where_it_is_slow_or_fails(
    small_run: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: OnnxReference, names: list[str], feeds: Any) -> Any:
        raise NotImplementedError

    monkeypatch.setattr(OnnxReference, "run", fails)
    exported = gtk.export(small_run, "half.onnx", precision="fp16")
    assert exported.contract["parity"]["float16"]["reference_rows"] == 0
    assert is_slow(graph_of([helper.make_node("ConvTranspose", ["h", "k"], ["r"])]))


def test_operators_of_onnxruntime_are_left_to_onnxruntime() -> None:
    """onnx's own implementation does not know them."""
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT16, ["batch", 4]) for name in "xy"
    ]
    node = helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")
    graph = helper.make_graph([node], "g", ports[:1], ports[1:])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    assert len(in_float16(proto)) == 1
