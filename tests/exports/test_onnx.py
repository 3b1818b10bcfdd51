"""An exported file is equal to PyTorch or does not exist, and says what it is."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import gtk
from gtk.core.contracts.model import ExportPart
from gtk.core.values.errors import ExportMismatch, UserError
from gtk.exports import proof
from gtk.exports.candidate import Candidate
from gtk.exports.loaded_part import LoadedModel
from gtk.exports.options import ExportOptions
from gtk.exports.proof import compare
from gtk.exports.runtime import load
from gtk.plugins.vae.model import ExpectedImage, VariationalAutoencoder


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_the_file_is_one_file_with_named_dynamic_inputs(exported: Path) -> None:
    assert {path.name for path in exported.parent.iterdir()} == {"small.onnx", "small.json"}
    opened = session(exported)
    inputs = {item.name: (item.type, item.shape) for item in opened.get_inputs()}
    outputs = {item.name: (item.type, item.shape) for item in opened.get_outputs()}
    assert inputs == {"z": ("tensor(float)", ["batch", 16]), "label": ("tensor(int64)", ["batch"])}
    assert outputs == {"image": ("tensor(float)", ["batch", 1, 8, 8])}


def test_it_computes_what_pytorch_computes(small_run: gtk.Run, exported: Path) -> None:
    opened, model = session(exported), small_run.load_model()
    for size in (1, 2, 5, 33):
        z = np.random.default_rng(size).standard_normal((size, 16), dtype=np.float32) * 2
        label = np.arange(size) % 10
        with torch.no_grad():
            expected = model.sample(torch.from_numpy(z), torch.from_numpy(label)).numpy()
        found = opened.run(None, {"z": z, "label": label})[0]
        assert found.shape == expected.shape
        assert abs(found - expected).max() < 1e-5
        assert 0 <= found.min() <= found.max() <= 1


@pytest.mark.parametrize("label", [-1, 10])
def test_a_label_out_of_range_is_an_error_in_any_runtime(exported: Path, label: int) -> None:
    feeds = {"z": np.zeros((1, 16), np.float32), "label": np.array([label])}
    with pytest.raises(Exception, match="indices element out of data bounds"):
        session(exported).run(None, feeds)


def test_it_says_what_it_is_and_not_where_it_was_made(exported: Path) -> None:
    proto = onnx.load(exported)
    contract = json.loads({item.key: item.value for item in proto.metadata_props}["gtk"])
    assert contract["schema"] == 2
    assert contract["part"] == "decoder"
    assert contract["plugin"]["name"] == "cvae"
    assert contract["latent"] == {"input": "z", "shape": [16], "prior": "normal"}
    assert contract["step"] == 440
    assert contract["condition"]["names"] == list("0123456789")
    assert contract["outputs"] == [
        {"name": "image", "kind": "image", "dtype": "float32", "shape": [1, 8, 8]}
    ]
    differences = contract["parity"]["differences"]["image"]
    assert set(differences) == {"1", "2", "3", "16"}
    for size, found in differences.items():
        assert 0 <= found["mean"] <= found["largest"] <= 1e-5
        assert found["values"] == int(size) * 64
        assert found["levels"] <= 1
    content = exported.read_bytes()
    for trace in (str(Path(gtk.__file__).parent), ".py", str(exported.parent), "site-packages"):
        assert trace.encode() not in content
    assert [(item.domain, item.version) for item in proto.opset_import] == [("", 18)]
    assert not {node.op_type for node in proto.graph.node} & {"RandomNormal", "RandomNormalLike"}


def test_exporting_again_gives_the_same_bytes(small_run: gtk.Run, exported: Path) -> None:
    again = gtk.export(small_run, "again.onnx")
    assert again.path.read_bytes() == exported.read_bytes()
    assert again.parity.differences["image"].keys() == {1, 2, 3, 16}


def test_an_unconditional_run_has_no_label() -> None:
    run = gtk.train(plugin="vae", epochs=1, quiet=True)
    path = gtk.export(run).path
    assert path == run.path / f"{run.name}-decoder.onnx"
    assert [item.name for item in session(path).get_inputs()] == ["z"]
    found, expected = load(path).sample(count=9, seed=2), run.sample(count=9, seed=2)
    assert abs(found.astype(int) - expected).max() <= 1


def leaves_nothing(tmp_path: Path, run: gtk.Run, message: str, **options: float) -> None:
    with pytest.raises(ExportMismatch, match=message):
        gtk.export(run, tmp_path / "wrong.onnx", **options)  # type: ignore[arg-type]
    assert not list(tmp_path.glob("*.onnx*"))
    assert not list(tmp_path.glob(".*onnx*"))


def test_a_wrong_wrapper_does_not_pass(
    small_run: gtk.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Inverted(ExpectedImage):
        def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
            return 1 - super().forward(z, label)

    def exports(self: VariationalAutoencoder) -> dict[str, ExportPart]:
        return {"decoder": ExportPart(Inverted(self), ("z", "label"), ("image",))}

    monkeypatch.setattr(VariationalAutoencoder, "exports", exports)
    leaves_nothing(tmp_path, small_run, "at batch 1 image of the exported file differs from")


class FixedBatch:
    """A session that is right at the example's batch size and dim at every other."""

    def __init__(self, model: gtk.Model) -> None:
        self.model = model

    def run(self, _outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:  # type: ignore[type-arg]
        z, label = (torch.from_numpy(inputs[name]) for name in ("z", "label"))
        with torch.no_grad():
            images = self.model.sample(z, label).numpy()
        return [images if len(z) == 2 else images / 2]


def test_a_graph_that_fixed_its_batch_does_not_pass(
    small_run: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, options = LoadedModel(small_run, 440).part("decoder"), ExportOptions()
    candidate = Candidate(FixedBatch(subject.model))
    with pytest.raises(ExportMismatch, match="at batch 1 image of the exported file differs"):
        compare(subject, candidate, options)
    monkeypatch.setattr(proof, "BATCH_SIZES", (2,))
    assert compare(subject, candidate, options).largest == 0, "one size alone would pass"


def test_over_tolerance_there_is_no_file(small_run: gtk.Run, tmp_path: Path) -> None:
    leaves_nothing(
        tmp_path, small_run, "differs from PyTorch by .*, the tolerance is 0;", tolerance=0.0
    )


def test_a_difference_that_is_not_a_number_does_not_pass(
    small_run: gtk.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Poisoned(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, z: Tensor, label: Tensor) -> Tensor:
            images: Tensor = self.inner(z, label)
            return images * torch.log(-torch.ones_like(images))

    def exports(self: VariationalAutoencoder) -> dict[str, ExportPart]:
        return {"decoder": ExportPart(Poisoned(ExpectedImage(self)), ("z", "label"), ("image",))}

    monkeypatch.setattr(VariationalAutoencoder, "exports", exports)
    leaves_nothing(tmp_path, small_run, "differs from PyTorch by nan")


def test_an_existing_file_is_not_overwritten_unasked(small_run: gtk.Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_text("precious")
    with pytest.raises(UserError, match=r"mine\.onnx exists\. Add overwrite=True"):
        gtk.export(small_run, path)
    assert path.read_text() == "precious"
    gtk.export(small_run, path, overwrite=True)
    assert load(path).classes == tuple("0123456789")


def test_a_place_that_cannot_be_written_is_refused_first(
    small_run: gtk.Run, tmp_path: Path
) -> None:
    for path, message in (
        (tmp_path, "is a folder"),
        (tmp_path / "no" / "a.onnx", "cannot be written"),
    ):
        with pytest.raises(UserError, match=message):
            gtk.export(small_run, path)


def test_another_checkpoint_is_exported_though_the_latest_is_damaged(
    small_run: gtk.Run, tmp_path: Path
) -> None:
    run = gtk.Run(shutil.copytree(small_run.path, tmp_path / "copy"))
    (run.checkpoints.folder(440) / "model.safetensors").write_bytes(b"")
    exported = gtk.export(run, "early.onnx", checkpoint=308)
    found = load(exported.path).sample(count=5).astype(int)
    assert abs(found - small_run.sample(count=5, checkpoint=308)).max() <= 1
