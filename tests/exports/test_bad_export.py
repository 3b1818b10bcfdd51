"""What cannot be exported costs one clear line, and changes no file."""

import errno
import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import processes
import pytest
import torch
from made_once import made_once
from torch import Tensor, nn
from torch.nn import functional

import gtk
from gtk.core.values.errors import ExportMismatch, GtkError, PluginError, UserError, WorkFailed
from gtk.exports import graph_checks, onnx, runtime, translate as translating
from gtk.exports.loaded_part import LoadedModel, LoadedPart
from gtk.exports.options import ExportOptions

Exports = Callable[[Any], Any]


@pytest.fixture
def painting(outside: Path, tmp_path_factory: pytest.TempPathFactory) -> gtk.Run:
    """A run of a model from outside; not to be written to."""

    def train(runs: Path) -> None:
        gtk.train(plugin="painter", runs=runs, name="painting", epochs=1, quiet=True)

    return gtk.Run(made_once(tmp_path_factory, "painted", train) / "painting")


@pytest.fixture
def painter(painting: gtk.Run) -> ModuleType:
    """The module of the model."""
    return importlib.import_module("gtk_plugin_painter")


@pytest.fixture
def exporting(
    painting: gtk.Run, painter: ModuleType, monkeypatch: pytest.MonkeyPatch, workplace: Path
) -> Iterator[Callable[..., str]]:
    """Return a function that exports with other parts and returns the one line it costs."""
    (workplace / "old.onnx").write_text("precious")

    def fail(exports: Exports, kind: type[GtkError], **options: Any) -> str:
        monkeypatch.setattr(painter.Painter, "exports", exports)
        with pytest.raises(kind) as error:
            gtk.export(painting, "new.onnx", **options)
        assert error.type is kind
        assert "\n" not in str(error.value)
        return str(error.value)

    yield fail
    assert [path.name for path in workplace.iterdir()] == ["old.onnx"]


def test_parts_with_names_of_their_own_get_all_of_this(painting: gtk.Run) -> None:
    brush, gauge = gtk.export_all(painting, "parts", image="uint8", layout="nhwc")
    assert (brush.part, gauge.part) == ("brush", "gauge")
    assert brush.contract["plugin"] == {
        "package": "gtk-plugin-painter", "version": "0.3", "name": "painter"
    }  # fmt: skip
    assert [item["name"] for item in gauge.contract["outputs"]] == ["strokes", "brightness"]
    assert gauge.contract["condition"] is None
    found = runtime.load(brush.path).sample(labels=[3, 1], seed=2).astype(int)
    assert abs(found - painting.sample(labels=[3, 1], seed=2)).max() <= 1
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    _, brightness = onnxruntime.InferenceSession(gauge.path).run(None, {"image": images})
    assert np.allclose(brightness, images.mean((1, 2, 3)) / 255, atol=1e-6)


@pytest.mark.parametrize("label", [-1, 10, -11])
def test_a_model_that_compares_labels_refuses_one_that_is_none(
    painting: gtk.Run, label: int
) -> None:
    opened = onnxruntime.InferenceSession(gtk.export(painting, "brush.onnx").path)
    feeds = {"z": np.zeros((2, 3), np.float32), "label": np.array([0, label])}
    with pytest.raises(Exception, match="indices element out of data bounds"):
        opened.run(None, feeds)


class Wrapped(nn.Module):
    """Does something to what another module gives, or takes."""

    def __init__(self, inner: nn.Module, change: Callable[..., Any]) -> None:
        super().__init__()
        self.inner = inner
        self.change = change

    def forward(self, z: Tensor, label: Tensor) -> Any:
        return self.change(self.inner(z, label), z, label)


def brush(change: Callable[..., Any], **part: Any) -> Exports:
    """Return exports() with a brush that is changed."""

    def exports(model: Any) -> dict[str, gtk.ExportPart]:
        module = Wrapped(sys.modules["gtk_plugin_painter"].Brush(model), change)
        return {"brush": gtk.ExportPart(module, ("z", "label"), ("image",), **part)}

    return exports


def boom(*_: Any) -> Any:
    raise RuntimeError("no paint left\nin the tube")


def numbered(image: Tensor, *_: Tensor) -> Tensor:
    return image * torch.cat([torch.ones(1), torch.zeros(1)]).reshape(2, 1, 1, 1)


FAULTS: dict[str, tuple[Callable[..., Any], type[GtkError], str]] = {
    "inverted": (lambda image, *_: 1 - image, ExportMismatch, "at batch 1 image of the exported"),
    "the example's batch": (
        numbered,
        WorkFailed,
        "torch.onnx cannot translate part 'brush' of plu",
    ),
    "not a number": (lambda image, *_: image * torch.nan, ExportMismatch, "from PyTorch by nan"),
    "a draw": (
        lambda image, *_: image + 1e-9 * torch.randn_like(image),
        WorkFailed,
        "draws random numbers (RandomNormalLike): they should come in as an input",
    ),
    "a coin": (
        lambda image, *_: torch.bernoulli(image),
        WorkFailed,
        "draws random numbers (Bernoulli)",
    ),
    "a dropout that drops": (
        lambda image, *_: functional.dropout(image, 0.1, training=True),
        WorkFailed,
        "has a layer in train mode (Dropout)",
    ),
    "a choice at run time": (
        lambda image, z, _: torch.cond(z.sum() > 0, lambda x: x + 0, lambda x: x * 1, (image,)),
        WorkFailed,
        "chooses at run time what it computes (If)",
    ),
    "an operator that gtk does not read": (
        lambda image, z, _: image + 0 * torch.unique(z.flatten()).sum(),
        WorkFailed,
        "cannot be a file that gtk's runtime reads: it holds the operator 'Unique'",
    ),
    "whole numbers divided by others": (
        lambda image, _, label: image + 0 * (label // (label + 1)).sum(),
        WorkFailed,
        "of whole numbers whose divisor is not a constant, or is 0 or -1",
    ),
    "an error": (boom, PluginError, "its module fails: RuntimeError: no paint left"),
    "two outputs": (
        lambda image, *_: (image, image),
        PluginError,
        "its module gives 2 outputs for",
    ),
    "no tensor": (lambda image, *_: "image", PluginError, "its module gives str outputs for image"),
    "a list of none": (
        lambda image, *_: [None],
        PluginError,
        "its module gives image as NoneType, it should be a tensor",
    ),
    "doubles": (
        lambda image, *_: image.double(),
        PluginError,
        "its module gives image as torch.float64, it should be float32",
    ),
    "no batch": (lambda image, *_: image[0], PluginError, "gives image of shape (1, 8, 8) for a b"),
    "another size": (
        lambda image, *_: image[..., :4],
        PluginError,
        "gives an image of shape (1, 8, 4), those of the data are (1, 8, 8)",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_module_that_does_not_do_is_told_and_leaves_no_file(
    exporting: Callable[..., str], name: str
) -> None:
    change, kind, message = FAULTS[name]
    line = exporting(brush(change), kind)
    assert message in line
    if kind is not ExportMismatch:
        assert "part 'brush' of plugin 'painter'" in line


def test_too_many_weights_are_told_before_they_are_translated(
    exporting: Callable[..., str], painter: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translating, "LARGEST_FILE", 1000)
    monkeypatch.setattr(graph_checks, "LARGEST_FILE", 1000)
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: pytest.fail("it was translated"))

    def exports(model: Any) -> dict[str, gtk.ExportPart]:
        module = Wrapped(
            painter.Brush(model), lambda image, z, _: image + 0 * module.layer(z).sum()
        )
        module.layer, module.other = nn.Linear(3, 500), nn.Linear(1000, 1000)
        return {"brush": gtk.ExportPart(module, ("z", "label"), ("image",))}

    line = exporting(exports, WorkFailed)
    weights = re.search(r"has ([0-9,]+) bytes of weights, gtk's runtime reads files of no m", line)
    assert weights is not None, line
    assert 8000 <= int(weights[1].replace(",", "")) < 12_000  # the other layer is not used


def test_unused_weights_count_for_nothing(
    painting: gtk.Run, monkeypatch: pytest.MonkeyPatch, painter: ModuleType
) -> None:
    monkeypatch.setattr(translating, "LARGEST_FILE", 100_000)
    module = Wrapped(painter.Brush(painting.load_model()), lambda image, *_: image)
    module.other = nn.Linear(1000, 1000)
    exports = {"brush": gtk.ExportPart(module, ("z", "label"), ("image",))}
    monkeypatch.setattr(painter.Painter, "exports", lambda _: exports)
    assert gtk.export(painting, "brush.onnx", dry_run=True).size < 100_000


def test_too_many_nodes_are_told_once_they_are_translated(
    exporting: Callable[..., str], painter: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_checks, "MOST_NODES", 3)
    monkeypatch.setattr(onnx, "halve", lambda *_: pytest.fail("it was converted"))
    line = exporting(painter.Painter.exports, WorkFailed, precision="fp16")
    assert re.search(r"has \d+ nodes, gtk's runtime reads no more than 3: what it does", line), line


@pytest.mark.parametrize("size", [1, 3, 16])
def test_a_model_that_branches_on_the_size_of_the_batch_does_not_pass(
    exporting: Callable[..., str],
    painter: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
) -> None:
    """The exporter looks at one batch, and takes the branch that this one takes for all."""
    paint = painter.Painter.paint

    def branching(model: Any, noise: Tensor, tone: Tensor) -> Any:
        image = paint(model, noise, tone)
        return image / 2 if noise.shape[0] == size else image

    monkeypatch.setattr(painter.Painter, "paint", branching)
    line = exporting(painter.Painter.exports, ExportMismatch)
    assert f"at batch {size} image of the exported file differs from PyTorch by 0." in line
    assert "the tolerance is 1e-05; no file was written" in line


def test_the_model_that_exports_was_called_on_is_not_compared_with_itself(
    exporting: Callable[..., str], painter: ModuleType
) -> None:
    own = painter.Painter.exports

    def exports(model: Any) -> Any:
        model.canvas.weight.data *= 2  # as a fusion that goes wrong would
        return own(model)

    assert "at batch 1 image of the exported" in exporting(exports, ExportMismatch)


REFERENCES: dict[str, tuple[Callable[..., Any], type[GtkError], str]] = {
    "an error": (boom, PluginError, "its reference fails: RuntimeError: no paint left"),
    "more outputs": (
        lambda model, *inputs: (model.sample(*inputs), 1),
        PluginError,
        "its reference gives 2 outputs for image",
    ),
    "no tensor": (lambda *_: None, PluginError, "its reference gives NoneType outputs for image"),
    "another shape": (
        lambda model, *inputs: model.sample(*inputs)[:, 0],
        ExportMismatch,
        "gives image (1, 1, 8, 8), PyTorch gives (1, 8, 8)",
    ),
    "nothing finite": (
        lambda model, *inputs: model.sample(*inputs) / 0,
        WorkFailed,
        "PyTorch's image of part 'brush' of plugin 'painter' has values that are not finite",
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_that_does_not_do_is_told(exporting: Callable[..., str], name: str) -> None:
    reference, kind, message = REFERENCES[name]
    exports = brush(lambda image, *_: image, reference=reference, prior="learned")
    assert message in exporting(exports, kind)


def part(**changes: Any) -> Exports:
    """Return exports() with one part that is not as it should be."""

    def exports(model: Any) -> dict[str, Any]:
        values = {"module": model, "inputs": ("z", "label"), "outputs": ("image",), **changes}
        return {"brush": gtk.ExportPart(**values)}

    return exports


RUBBISH: dict[str, tuple[Exports, str]] = {
    "nothing": (lambda _: {}, "exports() of plugin 'painter' gives an empty dict"),
    "none": (lambda _: None, "exports() of plugin 'painter' gives NoneType"),
    "a list": (lambda model: [model], "exports() of plugin 'painter' gives list"),
    "an error": (boom, "exports() of plugin 'painter' fails: RuntimeError: no paint left"),
    "a module": (lambda model: {"brush": model}, "part 'brush' of plugin 'painter' is Painter"),
    "a path": (
        lambda model: {"../brush": model},
        "part '../brush' of plugin 'painter' needs anoth",
    ),
    "all": (lambda model: {"all": model}, "part 'all' of plugin 'painter' needs another name"),
    "a number": (lambda model: {3: model}, "part 3 of plugin 'painter' needs another name"),
    "a function": (part(module=boom), "has function for a module: it should be an nn.Module"),
    "one text": (part(inputs="z"), "has inputs 'z': they should be names, or values by name"),
    "no outputs": (part(outputs=()), "has outputs (): they should be names, or values by name"),
    "one name twice": (part(inputs=("image",)), "several inputs or outputs called 'image'"),
    "a prior": (part(prior="flat"), "has prior 'flat': it is normal or learned"),
    "no reference": (part(outputs=("strokes",)), "needs a reference: it does not make images of"),
}


@pytest.mark.parametrize("name", RUBBISH)
def test_parts_that_are_none_are_told(exporting: Callable[..., str], name: str) -> None:
    exports, message = RUBBISH[name]
    assert message in exporting(exports, PluginError)


def test_a_layer_that_stays_in_train_mode_is_told(
    exporting: Callable[..., str], painter: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stubborn(nn.BatchNorm2d):
        def train(self, mode: bool = True) -> "Stubborn":
            return self

    def exports(model: Any) -> dict[str, gtk.ExportPart]:
        module = Wrapped(painter.Brush(model), lambda image, *_: image)
        module.norm = Stubborn(1)
        return {"brush": gtk.ExportPart(module, ("z", "label"), ("image",))}

    assert "norm is in train mode, and stays so after eval()" in exporting(exports, PluginError)


def test_a_part_that_there_is_none_of_gets_the_nearest(exporting: Callable[..., str]) -> None:
    exports = brush(lambda image, *_: image)
    line = exporting(exports, gtk.core.values.errors.UnknownName, part="brsh")  # type: ignore[attr-defined]
    assert line == "unknown part 'brsh'. Did you mean 'brush'?"


def test_an_opset_that_the_exporter_does_not_reach_is_noticed(painting: gtk.Run) -> None:
    """It stays at 18, and only logs that it does."""
    run = gtk.train(plugin="cgan", channels=(6, 8), epochs=1, quiet=True)
    with pytest.raises(gtk.InvalidValue, match="opset 15, torch.onnx stays at 18: use 18 to 26"):
        gtk.export(run, "old.onnx", opset=15)
    vae = gtk.train(plugin="vae", epochs=1, quiet=True)
    with pytest.raises(gtk.InvalidValue, match="cannot be written in opset 17, use 18 to 26"):
        gtk.export(vae, "split.onnx", part="encoder", opset=17)
    assert not list(Path.cwd().glob("*.onnx"))


def test_one_part_that_fails_keeps_all_from_being_written(
    painting: gtk.Run, painter: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        painter.Gauge, "forward", lambda self, image: (image, image.mean((1, 2, 3)))
    )
    message = "strokes .*; no file was written. What can be written: part='brush'$"
    with pytest.raises(ExportMismatch, match=message):
        gtk.export_all(painting, "parts")
    assert not list(Path.cwd().iterdir())
    gtk.export(painting, "brush.onnx", part="brush")


def test_parts_that_all_fail_are_not_recommended(
    painting: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_loaded: LoadedModel, subject: LoadedPart, _options: object) -> None:
        raise WorkFailed(f"{subject} cannot")

    monkeypatch.setattr(onnx, "prepare", fail)
    with pytest.raises(WorkFailed, match="^part 'brush' of plugin 'painter' cannot$"):
        gtk.export_all(painting, "parts")


@pytest.fixture
def exported(small_run: gtk.Run) -> Path:
    """A file and its contract, as another program wrote them before."""
    path = gtk.export(small_run, "digits.onnx").path
    contract = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(contract))
    path.write_bytes(b"what was there before")
    return path


def contents() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path.cwd().rglob("*") if path.is_file()}


@pytest.mark.parametrize("missing", ["digits.onnx", "digits.json"])
def test_either_file_is_not_overwritten_unasked(
    small_run: gtk.Run, exported: Path, missing: str
) -> None:
    Path(missing).unlink()
    before = contents()
    with pytest.raises(UserError, match=r"digits\..* exists\. Add overwrite=True to replace it"):
        gtk.export(small_run, exported)
    assert contents() == before


@pytest.mark.parametrize("text", ['{"mine": 1}', "[]", "not JSON", ""])
def test_json_of_somebody_else_is_never_replaced(small_run: gtk.Run, text: str) -> None:
    Path("digits.json").write_text(text)
    for overwrite in (False, True):
        with pytest.raises(
            UserError, match=r"digits.json exists and is not the manifest of digits.onnx"
        ):
            gtk.export(small_run, "digits.onnx", overwrite=overwrite)
    assert contents() == {"digits.json": text.encode()}


def test_over_tolerance_the_old_files_stay(small_run: gtk.Run, exported: Path) -> None:
    before = contents()
    with pytest.raises(ExportMismatch, match="the tolerance is 0; no file was written"):
        gtk.export(small_run, exported, overwrite=True, tolerance=0)
    assert contents() == before


@pytest.fixture(scope="module")
def prepared(small_run: gtk.Run, one_table: None) -> onnx.Prepared:
    """The decoder of `small_run`, ready to be written."""
    loaded = LoadedModel(small_run, small_run.checkpoints.choose(None))
    return onnx.prepare(loaded, loaded.part(None), ExportOptions())


@pytest.mark.parametrize("number", range(8))
def test_a_disk_that_fails_at_any_moment_leaves_all_as_it_was(
    small_run: gtk.Run,
    exported: Path,
    prepared: onnx.Prepared,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    """Two files are written, two are kept by another name, and two are put in their place."""
    calls = {"left": number}

    def failing(method: Any) -> Any:
        def call(self: Path, *arguments: Any) -> Any:
            if calls["left"] == 0:
                calls["left"] = -1
                raise OSError(errno.ENOSPC, "No space left on device", str(self))
            calls["left"] -= 1
            return method(self, *arguments)

        return call

    before = contents()
    monkeypatch.setattr(onnx, "prepare", lambda *_: prepared)  # once for all the moments
    for name in ("write_bytes", "hardlink_to", "replace"):
        monkeypatch.setattr(Path, name, failing(getattr(Path, name)))
    if number >= 6:
        gtk.export(small_run, exported, overwrite=True)
        assert runtime.load(exported).classes is not None
        assert len(contents()) == 2
        return
    with pytest.raises(WorkFailed, match="cannot be written: No space left on device"):
        gtk.export(small_run, exported, overwrite=True)
    assert contents() == before


def test_a_failing_disk_leaves_no_folder_either(
    small_run: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, content: bytes) -> int:
        raise OSError(errno.EDQUOT, "Disk quota exceeded", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WorkFailed, match="cannot be written: Disk quota exceeded"):
        gtk.export_all(small_run, "parts")
    assert not list(Path.cwd().iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_a_disk_that_is_really_full_costs_one_line(small_run: gtk.Run, exported: Path) -> None:
    before = contents()
    line = ["export", str(small_run.path), "--overwrite", "--out", str(exported)]
    code = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
    result = processes.python(code + processes.command(*line))
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        f"gtk: error: {exported.resolve()} cannot be written: File too large"
    ]
    assert contents() == before


PLACES = [
    ("folder", "folder is a folder: give the name of a file in it"),
    ("digits.txt", "digits.txt has another ending: give a name that ends in .onnx"),
    ("digits", "digits has another ending: give a name that ends in .onnx"),
    ("no/digits.onnx", "no/digits.onnx cannot be written: .*no is not a folder you can write to"),
    ("file/digits.onnx", "file/digits.onnx cannot be written"),
    ("nowhere.onnx", "nowhere.onnx is not an ordinary file: choose another out"),
    (f"{300 * 'x'}.onnx", "cannot be a path of 305 letters: a name is too long for a file"),
]


@pytest.mark.parametrize(("place", "message"), PLACES)
def test_a_place_that_cannot_be_written_is_refused_before_any_work(
    small_run: gtk.Run, place: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("folder").mkdir()
    Path("file").write_text("a file")
    Path("nowhere.onnx").symlink_to("gone")
    monkeypatch.setattr("gtk.exports.onnx.translate", boom)
    with pytest.raises(UserError, match=message):
        gtk.export(small_run, place)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("parts.onnx", "parts.onnx would hold several files: give a folder as out"),
        ("file", "file is not a folder: choose another out"),
        ("no/parts", "no/parts cannot be written: .*no is not a folder you can write to"),
        ("old", "small-encoder.json exists and is not the manifest of "),
    ],
)
def test_a_folder_that_cannot_be_written_is_refused_before_any_work(
    small_run: gtk.Run, place: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("file").write_text("a file")
    Path("old").mkdir()
    Path("old/small-encoder.json").write_text("mine")
    monkeypatch.setattr("gtk.exports.onnx.translate", boom)
    with pytest.raises(UserError, match=message):
        gtk.export_all(small_run, place, overwrite=True)
