"""Parts whose inputs and outputs are values by name, or names alone."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

import gtk
from gtk.cli.main import run as gtk_command
from gtk.core.contracts.model import ExportPart, Model
from gtk.core.values.codes import Codes
from gtk.core.values.condition import Classes
from gtk.core.values.errors import PluginError
from gtk.core.values.image import Image
from gtk.core.values.noise import NoiseSpec
from gtk.core.values.value import Array, ports
from gtk.exports.image_format import ImageFormat
from gtk.exports.loaded_part import LoadedPart, load_parts
from gtk.exports.onnx import Exported
from gtk.exports.options import ExportOptions
from gtk.exports.runtime import load_part
from gtk.exports.snippet import javascript_snippet, python_snippet

IMAGE, LABEL, SHAPE = Image((1, 4, 4)), Classes(("a", "b")), (1, 4, 4)


class Stub(Model):
    """A model whose one part is told."""

    def __init__(self, inputs: Any, outputs: Any, codes: Any) -> None:
        super().__init__()
        self.noise = gtk.NoiseSpec((2,))
        self.condition = LABEL
        self.part = ExportPart(nn.Identity(), inputs, outputs, lambda *_: None, codes=codes)

    def sample(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        return torch.zeros(len(noise), *SHAPE)

    def exports(self) -> dict[str, ExportPart]:
        return {"it": self.part}


def subject(inputs: Any, outputs: Any, codes: Any = ()) -> LoadedPart:
    """Return the part, loaded."""
    return load_parts(Stub(inputs, outputs, dict(codes)), "stub", SHAPE)["it"]


def test_names_alone_mean_what_they_always_have() -> None:
    grid = Codes((2, 2), 5)
    found = subject(("image", "label", "grid", "z"), ("score",), {"grid": grid})
    inputs = {"image": IMAGE, "label": LABEL, "grid": grid, "z": NoiseSpec((2,))}
    assert found.inputs == inputs
    assert found.outputs == {"score": Array(())}
    assert not found.draws


def test_values_by_name_are_what_they_are() -> None:
    other, grid = NoiseSpec((3, 3)), Codes((), 7)
    found = subject({"style": other, **ports(LABEL)}, {"grid": grid, **ports(IMAGE)})
    assert found.inputs == {"style": other, "label": LABEL}
    assert found.outputs == {"grid": grid, "image": IMAGE}
    assert subject(ports(found.model.noise, LABEL), ports(IMAGE)).draws


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ({}, ("image",), "has inputs {}"),
        ({"z": "noise"}, ("image",), "has str for 'z': it should be a value"),
        ({"picture": IMAGE}, ("score",), "has 'picture', which is its image: call it 'image'"),
        ({"class": LABEL}, ("image",), "has 'class', which is its condition: call it 'label'"),
        ({"image": NoiseSpec((2,))}, ("score",), "has 'image', which is its latent: call it 'z'"),
        ({"z": NoiseSpec((2,))}, {"z": Array(())}, "several inputs or outputs called 'z'"),
    ],
)
def test_values_under_wrong_names_are_refused(inputs: Any, outputs: Any, message: str) -> None:
    with pytest.raises(PluginError) as error:
        subject(inputs, outputs)
    assert message in str(error.value)


class Double(nn.Module):
    """Three numbers in, twice as much out."""

    def forward(self, rows: Tensor) -> Tensor:
        return rows * 2


@pytest.fixture
def scorer(small_run: gtk.Run, monkeypatch: pytest.MonkeyPatch) -> Exported:
    """A file whose input is neither noise nor an image, a code or a condition."""
    rows = Array((3,))
    part = ExportPart(Double(), {"rows": rows}, {"double": rows}, lambda _, given: given * 2)
    monkeypatch.setattr(type(small_run.load_model()), "exports", lambda _: {"scorer": part})
    return gtk.export(small_run, "scorer.onnx")


@pytest.mark.usefixtures("each_form")
def test_other_numbers_go_in_and_out(scorer: Exported) -> None:
    found = load_part(scorer.path).run({"rows": [[-2.0, 0.5, 300.0]]})
    assert found["double"].tolist() == [[-4.0, 1.0, 600.0]]


def test_other_numbers_are_described(scorer: Exported, small_run: gtk.Run) -> None:
    text = javascript_snippet(scorer.contract, "scorer.onnx")
    assert 'rows: new ort.Tensor("float32", new Float32Array(n * 3), [n, 3]), // yours' in text
    text = python_snippet(scorer.contract, "scorer.onnx")
    assert '"rows": np.zeros((3, 3), np.float32),  # yours' in text
    assert gtk_command(["inspect", "scorer.onnx"]) == 0
    assert gtk_command(["bench", str(small_run.path), "--batch-size", "1"]) == 0


@pytest.mark.parametrize("operator", ["Tanh", "Sigmoid", "Identity", "Clip"])
@pytest.mark.parametrize("options", [{}, {"layout": "nhwc"}, {"batch_size": 1000}], ids=str)
def test_images_are_in_their_range_whatever_makes_them(
    operator: str, options: dict[str, Any]
) -> None:
    """onnxruntime's Tanh reaches -1.0000002, its Sigmoid 1.0000001."""
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1, 4, 4])
        for name in ("z", "image")
    ]
    one = numpy_helper.from_array(np.float32(1), "one")
    limits = ["one", "one"] if operator == "Clip" else []
    nodes = [
        helper.make_node(operator, ["z", *limits], ["image" if operator != "Tanh" else "made"]),
        *([helper.make_node("Mul", ["made", "one"], ["image"])] if operator == "Tanh" else ()),
    ]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:], [one])
    opsets = [helper.make_opsetid("", 18)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    made = ImageFormat(ExportOptions(**options)).add(proto)
    assert (made == proto) == (operator == "Clip" and not options)
    session = onnxruntime.InferenceSession(made.SerializeToString())
    noise = np.linspace(-30, 30, 1000 * 16, dtype=np.float32).reshape(-1, 1, 4, 4)
    (found,) = session.run(None, {"z": noise})
    assert 0 <= found.min() <= found.max() <= 1
