"""What an exported file can be like, and that each is proven as it is."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import gtk
from gtk.core.values.errors import ExportMismatch, InvalidValue
from gtk.exports.loaded_part import LoadedModel
from gtk.exports.onnx import Exported, prepare
from gtk.exports.options import ExportOptions
from gtk.exports.proof import BATCH_SIZES, batch_sizes, example_batch
from gtk.exports.runtime import load

pytestmark = pytest.mark.long


def session(path: Path) -> Any:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def ports(path: Path) -> dict[str, tuple[str, list[Any]]]:
    opened = session(path)
    items = (*opened.get_inputs(), *opened.get_outputs())
    return {item.name: (item.type, item.shape) for item in items}


def image(exported: Exported) -> Any:
    """Return how the images of a file differ."""
    return exported.parity.outputs["image"]


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> gtk.Run:
    """A convolutional CVAE of images in colour that are not square."""
    folder = tmp_path_factory.mktemp("coloured")
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (60, 5, 9, 3), dtype=np.uint8)
    np.savez(folder / "noise.npz", images=images, labels=np.arange(60) % 3)
    return gtk.train(
        plugin="cvae", data=f"npz:{folder / 'noise.npz'}", runs=folder, name="coloured",
        network="conv", channels=(6, 8), hidden_dims=(12,), latent_dim=4, epochs=2, batch_size=20,
        normalization="batch", quiet=True,
    )  # fmt: skip


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("kind", ["float", "uint8"])
def test_images_come_in_each_type_and_layout(
    coloured: gtk.Run, kind: Any, precision: Any, layout: Any
) -> None:
    options: dict[str, Any] = {"image": kind, "precision": precision, "layout": layout}
    exported = gtk.export(coloured, "drawn.onnx", **options)
    axes = [3, 5, 9] if layout == "nchw" else [5, 9, 3]
    dtype = "float" if kind == "float" else "uint8"
    assert ports(exported.path)["image"] == (f"tensor({dtype})", ["batch", *axes])
    assert ports(exported.path)["z"] == ("tensor(float)", ["batch", 4])
    described = exported.contract["image"]
    assert described["layout"] == layout.upper()
    assert described["range"] == ([0, 1] if kind == "float" else [0, 255])
    [output] = exported.contract["outputs"]
    assert output["shape"] == axes
    assert output["dtype"] == described["dtype"] == ("float32" if kind == "float" else "uint8")
    assert exported.contract["precision"] == precision

    z = np.random.default_rng(1).standard_normal((5, 4), dtype=np.float32)
    labels = np.array([0, 2, 1, 1, 0])
    found = session(exported.path).run(["image"], {"z": z, "label": labels})[0]
    with torch.no_grad():
        model = coloured.load_model()
        expected = model.sample(torch.from_numpy(z), torch.from_numpy(labels)).numpy()
    if layout == "nhwc":
        expected = expected.transpose(0, 2, 3, 1)
    allowed = 1e-5 if precision == "fp32" else 5e-3
    if kind == "float":
        assert abs(found - expected).max() <= allowed
    else:
        assert abs(found - 255 * expected).max() <= 0.5 + 255 * allowed
    drawn = load(exported.path).sample(labels=[1, 2], seed=3).astype(int)
    run = coloured.sample(labels=[1, 2], seed=3)
    assert abs(drawn - run).max() <= (1 if precision == "fp32" else 2)


@pytest.mark.parametrize("kind", ["float", "uint8"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_an_encoder_takes_images_of_each_type_and_layout(
    coloured: gtk.Run, kind: Any, layout: Any
) -> None:
    exported = gtk.export(coloured, "in.onnx", part="encoder", image=kind, layout=layout)
    levels = np.random.default_rng(0).integers(0, 256, (4, 3, 5, 9), dtype=np.uint8)
    labels = np.array([2, 1, 0, 0])
    with torch.no_grad():
        posterior = coloured.load_model().encode(  # type: ignore[operator]
            torch.from_numpy(levels / np.float32(255)), torch.from_numpy(labels)
        )
    given = levels if kind == "uint8" else levels / np.float32(255)
    if layout == "nhwc":
        given = np.ascontiguousarray(given.transpose(0, 2, 3, 1))
    mean, log_variance = session(exported.path).run(
        ["mean", "log_variance"], {"image": given, "label": labels}
    )
    assert np.allclose(mean, posterior.mean.numpy(), atol=1e-5, rtol=1e-5)
    assert np.allclose(log_variance, posterior.log_variance.numpy(), atol=1e-5, rtol=1e-5)
    assert exported.contract["inputs"][0]["shape"] == list(given.shape[1:])
    assert exported.contract["inputs"][0]["dtype"] == given.dtype.name


def test_half_precision_halves_the_file_and_leaves_no_trace(small_run: gtk.Run) -> None:
    whole = gtk.export(small_run, "whole.onnx")
    half = gtk.export(small_run, "half.onnx", precision="fp16")
    weights = {
        path: sum(len(item.raw_data) for item in onnx.load(path).graph.initializer)
        for path in (whole.path, half.path)
    }
    assert weights[half.path] < 0.52 * weights[whole.path]
    assert half.parity.tolerance == 5e-3
    assert 1e-5 < image(half).largest < 5e-3
    content = half.path.read_bytes()
    for trace in (b".py", b"site-packages", str(Path(gtk.__file__).parent).encode()):
        assert trace not in content
    types = {item.data_type for item in onnx.load(half.path).graph.initializer}
    assert onnx.TensorProto.FLOAT not in types
    before = list(sys.path)
    assert gtk.export(small_run, "half2.onnx", precision="fp16").sha256 == half.sha256
    assert sys.path == before
    from onnxruntime.transformers import onnx_utils  # users' own tools still find their modules

    assert onnx_utils.NumpyHelper
    with pytest.raises(ExportMismatch, match="the tolerance is 1e-05; no file was written"):
        gtk.export(small_run, "strict.onnx", precision="fp16", tolerance=1e-5)


def test_half_precision_keeps_raw_units_until_they_are_scaled(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    values = np.stack([generator.uniform(0, 100_000, 60), generator.uniform(1990, 2030, 60)], 1)
    images = np.broadcast_to(values[:, :1, None] / 400, (60, 8, 8)).astype(np.uint8)
    names = np.array(["income", "year"])
    np.savez(tmp_path / "n.npz", images=images, labels=values.astype(np.float32), names=names)
    for plugin, conditioner in (("cvae", "film"), ("cgan", "embedding")):
        run = gtk.train(
            plugin=plugin, data=f"npz:{tmp_path / 'n.npz'}", conditioner=conditioner, quiet=True,
            hidden_dims=(12, 12), latent_dim=4, channels=(6, 8), epochs=40, batch_size=20,
        )  # fmt: skip
        exported, *_ = gtk.export_all(run, tmp_path / run.name, precision="fp16")
        opened, model = session(exported.path), run.load_model()
        rows = np.float32([[0, 1990], [100_000, 2030], [99_999, 2011], [50_000, 2012]])
        z = np.zeros((4, 4), np.float32)
        found = opened.run(["image"], {"z": z, "values": rows})[0]
        with torch.no_grad():
            expected = model.sample(torch.from_numpy(z), torch.from_numpy(rows)).numpy()
        assert abs(found - expected).max() < 5e-3
        assert abs(found[2] - found[3]).max() > 1e-3, "the numbers make a difference"


@pytest.mark.parametrize("size", [1, 4, 7])
def test_a_fixed_batch_is_in_the_graph_and_proven(small_run: gtk.Run, size: int) -> None:
    exported = gtk.export(small_run, "fixed.onnx", batch_size=size)
    assert {shape[0] for _, shape in ports(exported.path).values()} == {size}
    assert exported.contract["batch_size"] == size
    assert set(exported.contract["parity"]["differences"]["image"]) == {str(size)}
    found = load(exported.path).sample(count=11, seed=3).astype(int)
    assert abs(found - small_run.sample(count=11, seed=3)).max() <= 1
    with pytest.raises(Exception, match="Got: 9 Expected: "):
        session(exported.path).run(
            None, {"z": np.zeros((9, 16), np.float32), "label": np.zeros(9, np.int64)}
        )


@pytest.mark.parametrize("size", [None, 1, 3, 16, 1000])
def test_the_proof_goes_through_all_classes_more_than_one_batch_and_all_sigmas(
    small_run: gtk.Run, size: int | None
) -> None:
    subject = LoadedModel(small_run, 440).part(None)
    options = ExportOptions(batch_size=size)
    sizes = batch_sizes(subject, options)
    batches = [
        example_batch(subject, options, rows, sum(sizes[:at])) for at, rows in enumerate(sizes)
    ]
    assert [len(z) for z, _ in batches] == sizes
    assert sizes == (list(BATCH_SIZES) if size is None else [size] * len(sizes))
    assert len(sizes) > 1
    assert {int(label) for _, labels in batches for label in labels} == set(range(10))
    assert all(abs(z).max() == 4 for z, _ in batches)


@pytest.mark.parametrize(("opset", "ir_version"), [(15, 8), (17, 8), (21, 10), (26, 13)])
def test_an_opset_is_what_was_asked_for_and_the_format_as_old_as_it_may_be(
    small_run: gtk.Run, opset: int, ir_version: int
) -> None:
    exported = gtk.export(small_run, "opset.onnx", opset=opset)
    proto = onnx.load(exported.path)
    assert [(item.domain, item.version) for item in proto.opset_import] == [("", opset)]
    assert proto.ir_version == ir_version
    assert exported.contract["opset"] == opset


def test_levels_are_rounded_as_pixels_are_and_kept_in_range(
    small_run: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values beyond 0..1, and such on the edge between two levels, go where numpy puts them."""
    from gtk.plugins.vae.model import ExpectedImage, VariationalAutoencoder

    edges = torch.tensor([-1.0, 0.5 / 255, 1.5 / 255, 2.5 / 255, 0.5, 1.0, 1.004, 7.0]).repeat(8)

    class Edges(ExpectedImage):
        def forward(self, z: torch.Tensor, label: torch.Tensor | None = None) -> torch.Tensor:
            return (0 * super().forward(z, label)) + edges.reshape(1, 1, 8, 8)

    def exports(self: VariationalAutoencoder) -> dict[str, gtk.ExportPart]:
        return {"decoder": gtk.ExportPart(Edges(self), ("z", "label"), ("image",))}

    def sample(self: Any, noise: torch.Tensor, condition: Any) -> torch.Tensor:
        return edges.reshape(1, 1, 8, 8).expand(len(noise), 1, 8, 8)

    monkeypatch.setattr(VariationalAutoencoder, "exports", exports)
    monkeypatch.setattr(VariationalAutoencoder, "sample", sample)
    exported = gtk.export(small_run, "edges.onnx", image="uint8")
    feeds = {"z": np.zeros((1, 16), np.float32), "label": np.array([3])}
    found = session(exported.path).run(None, feeds)[0].reshape(8, 8)[0]
    assert found.tolist() == [0, 0, 2, 2, 128, 255, 255, 255]
    assert image(exported).levels == 0


def test_a_file_that_rounds_wrongly_does_not_pass(
    small_run: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gtk.exports.image_format import ImageFormat

    right = ImageFormat._steps_out
    monkeypatch.setattr(  # as truncation would
        ImageFormat,
        "_steps_out",
        lambda self, **given: [step for step in right(self, **given) if step[0] != "Round"],
    )
    with pytest.raises(ExportMismatch, match="more than by rounding to 8 bits, the tolerance is"):
        gtk.export(small_run, "truncated.onnx", image="uint8")
    assert not Path("truncated.onnx").exists()


def test_the_contract_beside_the_file_is_the_one_in_it(small_run: gtk.Run) -> None:
    exported = gtk.export(small_run, "digits.onnx", image="uint8")
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["digits.json", "digits.onnx"]
    content = exported.path.read_bytes()
    beside = json.loads(exported.contract_path.read_text())
    file = beside.pop("file")
    assert file == {
        "name": "digits.onnx",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    inside = json.loads(onnx.load(exported.path).metadata_props[0].value)
    assert beside == inside == exported.contract
    assert (exported.size, exported.sha256) == (file["size"], file["sha256"])


def test_another_process_writes_the_same_bytes(small_run: gtk.Run) -> None:
    options: dict[str, Any] = {"precision": "fp16", "image": "uint8", "layout": "nhwc"}
    mine = {item.path.name: item for item in gtk.export_all(small_run, "mine", **options)}
    code = f"import gtk; gtk.export_all({str(small_run.path)!r}, 'theirs', **{options!r})"
    threads = "1" if torch.get_num_threads() > 1 else "2"  # which change the order of sums
    subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "OMP_NUM_THREADS": threads},
        check=True,
        capture_output=True,
    )
    assert {path.name for path in Path("theirs").glob("*.onnx")} == mine.keys()
    for name, item in mine.items():
        assert (Path("theirs") / name).read_bytes() == item.path.read_bytes()


def test_what_is_prepared_is_what_is_written(small_run: gtk.Run) -> None:
    loaded = LoadedModel(small_run, 440)
    prepared = prepare(loaded, loaded.part("encoder"), ExportOptions(layout="nhwc"))
    exported = gtk.export(small_run, "encoder.onnx", part="encoder", layout="nhwc")
    assert prepared.content == exported.path.read_bytes()
    assert prepared.sha256 == exported.sha256
    assert prepared.manifest == exported.contract


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"opset": 3}, "opset 3 cannot be written: use 18 to 26"),
        ({"opset": 99}, "opset 99 cannot be written: use 18 to 26"),
        ({"opset": 0}, "opset 0 cannot be written"),
        ({"opset": -1}, "opset -1 cannot be written"),
        ({"opset": 18.5}, "opset 18.5 cannot be written"),
        ({"opset": "18"}, "opset '18' cannot be written"),
        ({"precision": "int8"}, "precision is fp32 or fp16, not 'int8'"),
        ({"image": "png"}, "image is float or uint8, not 'png'"),
        ({"layout": "chw"}, "layout is nchw or nhwc, not 'chw'"),
        ({"batch_size": 0}, "a fixed batch size is a whole number in 1..1024, not 0"),
        ({"batch_size": 1025}, "a fixed batch size is a whole number in 1..1024, not 1025"),
        ({"batch_size": "dynamic"}, "a fixed batch size is a whole number"),
        ({"tolerance": -1e-9}, "the tolerance must be a number of at least 0, not -1e-09"),
        ({"tolerance": float("nan")}, "the tolerance must be a number of at least 0, not nan"),
        ({"tolerance": float("inf")}, "the tolerance must be a number of at least 0, not inf"),
        ({"tolerance": "x"}, "the tolerance must be a number of at least 0, not 'x'"),
    ],
)
def test_what_no_file_can_be_like_is_refused(
    small_run: gtk.Run, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidValue, match=message):
        gtk.export(small_run, "no.onnx", **options)
    assert not list(Path.cwd().iterdir())


def test_all_parts_go_into_a_folder_that_is_made(small_run: gtk.Run) -> None:
    exported = gtk.export_all(small_run, "parts")
    assert [item.part for item in exported] == ["decoder", "encoder"]
    assert sorted(path.name for path in Path("parts").iterdir()) == [
        "small-decoder.json",
        "small-decoder.onnx",
        "small-encoder.json",
        "small-encoder.onnx",
    ]


def test_a_dry_run_proves_and_writes_nothing(small_run: gtk.Run) -> None:
    with pytest.raises(ExportMismatch):
        gtk.export(small_run, "dry.onnx", dry_run=True, tolerance=0)
    exported = gtk.export(small_run, "dry.onnx", dry_run=True)
    assert not exported.written
    assert not any(item.written for item in gtk.export_all(small_run, "dry", dry_run=True))
    assert not list(Path.cwd().iterdir())
    again = gtk.export(small_run, "dry.onnx")
    assert again.written
    assert again.sha256 == exported.sha256
