"""Parts with discrete codes: what goes in and out, and what of them can be compared."""

import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from made_once import made_once
from torch import Tensor

import gtk
from gtk.cli.main import run as gtk_command
from gtk.cli.manifest_lines import manifest_lines
from gtk.core.values.errors import ExportMismatch, InvalidValue, PluginError, UserError
from gtk.exports.bench import COMPARED, example_rows, open_file, open_run
from gtk.exports.candidate import Candidate
from gtk.exports.loaded_part import LoadedModel, LoadedPart, load_parts
from gtk.exports.options import ExportOptions
from gtk.exports.parity import Parity
from gtk.exports.proof import compare
from gtk.exports.pytorch_baseline import find_eager
from gtk.exports.runtime import ExportFileError, RequestError, load, load_part
from gtk.exports.snippet import javascript_snippet, python_snippet

FORMS: list[dict[str, Any]] = [
    {},
    {"image": "uint8", "layout": "nhwc", "batch_size": 3, "precision": "fp16"},
]


@pytest.fixture
def tiled(outside: Path, tmp_path_factory: pytest.TempPathFactory) -> gtk.Run:
    """A run of a model whose codes are discrete; not to be written to."""

    def train(runs: Path) -> None:
        gtk.train(plugin="tiles", runs=runs, name="tiled", epochs=2, quiet=True)

    return gtk.Run(made_once(tmp_path_factory, "tiled", train) / "tiled")


@pytest.fixture
def tiles(tiled: gtk.Run) -> ModuleType:
    """The module of the model."""
    return importlib.import_module("gtk_plugin_tiles")


@pytest.fixture(params=range(len(FORMS)), ids=["plain", "another form"])
def files(
    tiled: gtk.Run, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> dict[str, Path]:
    """All parts of the run as files in one form, and its options."""

    def export(folder: Path) -> None:
        gtk.export_all(tiled, folder, **FORMS[request.param])

    folder = made_once(tmp_path_factory, f"tiled-{request.param}", export)
    return {name: folder / f"tiled-{name}.onnx" for name in ("sampler", "decoder", "encoder")}


def contract_of(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
    return document


def pixels(images: Any) -> Any:
    return np.rint(np.asarray(images) * 255).astype(int)


@pytest.mark.usefixtures("each_form")
def test_codes_go_in_and_out(files: dict[str, Path], tiled: gtk.Run, tiles: ModuleType) -> None:
    model = tiled.load_model()
    codes = np.random.default_rng(0).integers(0, 8, (7, 2, 2))
    decoder, encoder = (load_part(files[name]) for name in ("decoder", "encoder"))
    port = {"kind": "codes", "dtype": "int64", "shape": [2, 2], "count": 8, "name": "codes"}
    assert decoder.contract["inputs"] == encoder.contract["outputs"] == [port]
    assert decoder.contract["latent"] is None
    found = decoder.run({"codes": codes})["image"]
    with torch.no_grad():
        expected = pixels(model.decode(torch.from_numpy(codes)))
    if found.dtype == np.uint8:
        found, images = found.transpose(0, 3, 1, 2), found
    else:
        images, found = found, pixels(found)
    assert abs(found.astype(int) - expected).max() <= 1
    assert encoder.run({"image": images})["codes"].dtype == np.int64
    assert (encoder.run({"image": images})["codes"] == codes).all(), "each tile is nearest itself"


@pytest.mark.usefixtures("each_form")
def test_a_sampler_chooses_what_the_run_chooses(
    files: dict[str, Path], tiled: gtk.Run, tiles: ModuleType
) -> None:
    generator, model = load(files["sampler"]), tiled.load_model()
    noise = generator.draw_noise(2000, 5)
    labels = np.arange(2000) % 10
    given = torch.from_numpy(noise), torch.from_numpy(labels)
    margin = contract_of(files["sampler"])["parity"]["margin"]
    with torch.no_grad():
        clear = (tiles.sampled_margin(model, *given) >= margin).numpy()
    found = generator.generate(noise, list(labels)).astype(int)
    expected = tiled.sample(labels=list(labels), seed=5).astype(int)
    assert 1500 < clear.sum() < 2000
    assert abs(found - expected)[clear].max() <= 1


def test_noise_that_decides_choices_stays_in_float32(files: dict[str, Path]) -> None:
    nodes = onnx.load(files["sampler"]).graph.node
    assert not [node.name for node in nodes if node.op_type == "Cast" and "noise" in node.input]


@pytest.mark.parametrize("wrong", [-1, 8, -9, 2**40])
@pytest.mark.usefixtures("each_form")
def test_a_code_out_of_range_is_an_error_in_any_runtime(files: dict[str, Path], wrong: int) -> None:
    part = load_part(files["decoder"])
    codes = np.zeros((3, 2, 2), np.int64)
    part.session.run(None, {"codes": codes})
    codes[2, 1, 0] = wrong
    with pytest.raises(Exception, match="indices element out of data bounds"):
        part.session.run(None, {"codes": codes})
    with pytest.raises(RequestError, match=r"codes must be in 0\.\.7, not "):
        part.run({"codes": codes})


@pytest.mark.parametrize("files", [0], indirect=True)
@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (
            np.zeros((1, 2, 2)),
            r"codes must be int64 numbers of the shape \(rows, 2, 2\), not float64",
        ),
        (np.zeros((1, 4), int), r"of the shape \(rows, 2, 2\), not \(1, 4\)"),
        ([[[0, 1], [2, "3"]]], "codes must be int64 numbers"),
        (np.full((1, 2, 2), 2**64 - 1, np.uint64), r"codes must be in 0\.\.7"),
    ],
)
@pytest.mark.usefixtures("each_form")
def test_what_are_no_codes_is_refused(files: dict[str, Path], codes: Any, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        load_part(files["decoder"]).run({"codes": codes})


@pytest.mark.parametrize("files", [0], indirect=True)
@pytest.mark.usefixtures("each_form")
def test_codes_to_images_are_no_generator(files: dict[str, Path]) -> None:
    with pytest.raises(
        ExportFileError, match="decoder of a model, which does not make images from noise"
    ):
        load(files["decoder"])


def edited(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Write an exported file with another contract."""
    proto = onnx.load(path)
    contract = json.loads({item.key: item.value for item in proto.metadata_props}["gtk"])
    change(contract)
    onnx.helper.set_model_props(proto, {"gtk": json.dumps(contract)})
    onnx.save(proto, "edited.onnx")
    return Path("edited.onnx")


@pytest.mark.parametrize("files", [0], indirect=True)
@pytest.mark.parametrize("count", [None, 0, True, 2.0, 1 << 30])
@pytest.mark.usefixtures("each_form")
def test_a_number_of_codes_that_is_none_is_refused(files: dict[str, Path], count: Any) -> None:
    def change(contract: dict[str, Any]) -> None:
        contract["inputs"][0]["count"] = count

    with pytest.raises(ExportFileError, match="damaged: the count of codes is out of range"):
        load_part(edited(files["decoder"], change))


@pytest.mark.parametrize("files", [0], indirect=True)
@pytest.mark.parametrize("figures", [{"compared": -1}, {"undecided": "1"}, {"margin": "wide"}])
@pytest.mark.usefixtures("each_form")
def test_wrong_figures_of_parity_are_refused(files: dict[str, Path], figures: Any) -> None:
    message = r"damaged: (a count of rows is not valid|a figure of parity is not a finite number)"
    with pytest.raises(ExportFileError, match=message):
        load_part(edited(files["decoder"], lambda contract: contract["parity"].update(figures)))


@pytest.mark.parametrize("files", [0], indirect=True)
@pytest.mark.usefixtures("each_form")
def test_files_of_before_there_were_margins_are_read(files: dict[str, Path]) -> None:
    def change(contract: dict[str, Any]) -> None:
        for name in ("margin", "compared", "undecided"):
            del contract["parity"][name]

    assert load(edited(files["sampler"], change)).sample(count=3).shape == (3, 8, 8)


@pytest.mark.parametrize("files", [0], indirect=True)
@pytest.mark.usefixtures("each_form")
def test_a_graph_that_gives_other_codes_than_it_promises_is_said_to(files: dict[str, Path]) -> None:
    def change(contract: dict[str, Any]) -> None:
        contract["outputs"][0]["count"] = 1

    images = np.random.default_rng(0).random((9, 1, 8, 8), np.float32)
    with pytest.raises(
        ExportFileError, match=r"damaged: codes is \d\.\.\d, its manifest says 0\.\.0"
    ):
        load_part(edited(files["encoder"], change)).run({"image": images})


# What is compared ---------------------------------------------------------------------------------


class Session:
    """Computes with the model, and changes some of it."""

    def __init__(self, subject: LoadedPart, change: Callable[..., Any]) -> None:
        self.subject = subject
        self.change = change

    def run(self, _names: list[str], feeds: dict[str, Any]) -> list[Any]:
        tensors = [torch.from_numpy(value) for value in feeds.values()]
        with torch.no_grad():
            given = self.subject.part.module(*tensors)
        return [np.asarray(self.change(given, *tensors))]


def proven(
    run: gtk.Run, name: str, change: Callable[..., Any], tolerance: float = 1e-5, **part: Any
) -> Parity:
    """Compare a file that does something else than the part, which may be changed, too."""
    subject = LoadedModel(run, run.checkpoints.choose(None)).part(name)
    subject = replace(subject, part=replace(subject.part, **part))
    candidate = Candidate(Session(subject, change))
    return compare(subject, candidate, ExportOptions(tolerance=tolerance))


def by_noise(_model: gtk.Model, noise: Tensor, _label: Tensor) -> Tensor:
    return torch.where(noise[:, 1, 1] > 1, 9e-4, 1e-3)


def wrong_where_undecided(images: Tensor, noise: Tensor, _label: Tensor) -> Tensor:
    wrong = (noise[:, 1, 1] > 1).reshape(-1, 1, 1, 1)
    return torch.where(wrong, 1 - images, images)


def test_undecided_rows_are_counted_and_not_compared(tiled: gtk.Run) -> None:
    parity = proven(tiled, "sampler", wrong_where_undecided, margin=by_noise)
    assert parity.margin == 1e-3
    assert parity.undecided > 0
    assert parity.differences["image"].keys() == {1, 2, 3, 16}
    assert parity.outputs["image"].values == parity.compared * 64
    assert parity.largest == 0
    with pytest.raises(ExportMismatch, match="at batch .* image of the exported file differs"):
        proven(tiled, "sampler", wrong_where_undecided, margin=None)
    with pytest.raises(ExportMismatch, match="differs"):
        proven(tiled, "sampler", lambda images, *_: 1 - images, margin=by_noise)


def test_shapes_of_undecided_rows_are_compared_all_the_same(tiled: gtk.Run) -> None:
    def never(_model: gtk.Model, noise: Tensor, *_: Tensor) -> Tensor:
        return torch.zeros(len(noise))

    with pytest.raises(ExportMismatch, match=r"at batch 1 the exported file gives image \(1, 64\)"):
        proven(tiled, "sampler", lambda images, *_: images.flatten(1), margin=never)


def test_a_batch_of_undecided_rows_is_followed_by_another(tiled: gtk.Run) -> None:
    margins = iter([0.0, 0.0])

    def margin(_model: gtk.Model, noise: Tensor, *_: Tensor) -> Tensor:
        return torch.full((len(noise),), next(margins, 1.0))

    parity = proven(tiled, "sampler", lambda images, *_: images, margin=margin)
    assert (parity.compared, parity.undecided) == (22, 3), "1 and 2 rows were, then they came again"
    assert parity.differences["image"].keys() == {1, 2, 3, 16}


@pytest.mark.parametrize("share", [0.0, 0.45])
def test_a_proof_of_few_rows_is_none(tiled: gtk.Run, share: float) -> None:
    generator = torch.Generator().manual_seed(0)

    def margin(_model: gtk.Model, noise: Tensor, *_: Tensor) -> Tensor:
        return (torch.rand(len(noise), generator=generator) < share).float()

    message = r"can be compared in \d+ of \d+ rows only: .* less than 0.001 apart.* Half of them"
    with pytest.raises(ExportMismatch, match=message):
        proven(tiled, "sampler", lambda images, *_: images, margin=margin)


def wrong_of(label: int) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return what gives other images of a class than the model."""
    return lambda images, _, labels: torch.where(labels[:, None, None, None] == label, 1, images)


@pytest.mark.parametrize("label", [0, 4, 9])
def test_no_condition_is_left_out(tiled: gtk.Run, label: int) -> None:
    seen = 0

    def margin(_model: gtk.Model, _noise: Tensor, labels: Tensor) -> Tensor:
        nonlocal seen
        seen += int((labels == label).sum())
        return (labels != label).float() if seen < 4 else torch.ones(len(labels))

    with pytest.raises(ExportMismatch, match="image of the exported file differs"):
        proven(tiled, "sampler", wrong_of(label), margin=margin)
    seen = 0
    parity = proven(tiled, "sampler", lambda images, *_: images, margin=margin)
    again = int(label == 9)  # the batch of one row, which has the last class
    assert parity.undecided == 2 + again, "all rows of the class among the first"
    assert parity.compared == 22 + again - parity.undecided + 16


@pytest.mark.parametrize("label", [0, 9])
def test_a_condition_that_cannot_be_compared_is_named(tiled: gtk.Run, label: int) -> None:
    with pytest.raises(
        ExportMismatch,
        match=f"compared in none of 64 rows with label {label}: in all the two best candidates .* "
        "One is needed of each condition; no file was written",
    ):
        proven(
            tiled,
            "sampler",
            lambda images, *_: images,
            margin=lambda _, __, labels: (labels != label).float(),
        )


def test_one_code_that_differs_is_too_much(tiled: gtk.Run) -> None:
    def change(codes: Tensor, _: Tensor) -> Tensor:
        return torch.where(torch.arange(len(codes))[:, None, None] == 2, 7 - codes, codes)

    with pytest.raises(ExportMismatch, match="at batch 3 codes .* differs from PyTorch in 4 of "):
        proven(tiled, "encoder", change, tolerance=100.0)


@pytest.mark.parametrize(
    ("margin", "message"),
    [
        (lambda *_: 1.0, "gives float, it should be a tensor with a number for each image"),
        (lambda _, noise, *__: noise, r"gives a tensor of shape \(1, 4, 8\) for a batch of 1, it"),
        (lambda _, noise, *__: noise[:, 0, 0] * torch.nan, "gives values that are not finite"),
        (lambda _, noise, *__: noise[:, 0, 0] * torch.inf, "gives values that are not finite"),
        (
            lambda _, noise, *__: -noise[:, 0, 0].abs(),
            "gives -4: the distance of two candidates should be at least 0",
        ),
        (lambda _, noise: noise, "its margin fails: TypeError"),
    ],
)
def test_a_margin_that_is_none_is_the_plugins_fault(
    tiled: gtk.Run, margin: Any, message: str
) -> None:
    with pytest.raises(PluginError, match=f"^part 'sampler' of plugin 'tiles': .*{message}"):
        proven(tiled, "sampler", lambda images, *_: images, margin=margin)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda codes: codes.float(), r"codes torch\.float32, they should be int64"),
        (lambda codes: codes.flatten(1), r"codes of shape \(\d, 4\), they should be \(\d, 2, 2\)"),
        (
            lambda codes: codes + 1 - codes.min() + 7,
            r"codes from 8 to \d+, they should be in 0\.\.7",
        ),
        (lambda codes: codes - 8, r"codes from -\d to -\d, they should be in 0\.\.7"),
    ],
)
def test_codes_that_are_none_are_the_plugins_fault(
    tiled: gtk.Run, tiles: ModuleType, monkeypatch: pytest.MonkeyPatch, change: Any, message: str
) -> None:
    find = tiles.Tiles.find

    def wrong(model: gtk.Model, images: Tensor) -> Tensor:
        found: Tensor = change(find(model, images))
        return found

    with pytest.raises(PluginError, match=f"its reference gives {message}"):
        proven(tiled, "encoder", lambda codes, *_: codes, reference=wrong)
    monkeypatch.setattr(tiles.Tiles, "find", wrong)
    with pytest.raises(PluginError, match=f"its module gives {message}"):
        gtk.export(tiled, "wrong.onnx", part="encoder")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"codes": ["codes"]}, "has codes .*: they should be a dict of Codes by name"),
        (
            {"codes": {"other": gtk.Codes((), 2)}},
            "has codes 'other', which names no input or output",
        ),
        ({"codes": {"image": gtk.Codes((), 2)}}, "has codes 'image', which means something else"),
        ({"codes": {"codes": 8}}, "has int for its codes 'codes': it should be Codes"),
        ({"codes": {}}, "^part 'decoder' of plugin 'tiles' needs a reference"),
        ({"margin": 1e-3}, "has margin 0.001: it should be a function"),
    ],
)
def test_what_a_part_says_of_its_codes_has_to_be_true(
    tiled: gtk.Run, part: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiled.load_model()
    decoder = model.exports()["decoder"]
    if part == {"codes": {}}:
        decoder = replace(decoder, reference=None, inputs=("image",), outputs=("other",))
    wrong = {"decoder": replace(decoder, **part)}
    monkeypatch.setattr(type(model), "exports", lambda _: wrong)
    with pytest.raises(PluginError, match=message):
        load_parts(model, "tiles", tiled.data_spec.image_shape)


@pytest.mark.parametrize(
    ("shape", "count"), [((0,), 2), ([2], 2), ((2.0,), 2), ((2,), 0), ((2,), True), ((2,), 2.0)]
)
def test_codes_have_sizes(shape: Any, count: Any) -> None:
    with pytest.raises(InvalidValue, match="codes"):
        gtk.Codes(shape, count)
    assert gtk.Codes((), 1) == gtk.Codes((), 1)


# What is said of it -------------------------------------------------------------------------------


@pytest.mark.parametrize("files", [0], indirect=True)
def test_it_is_told_in_words(
    files: dict[str, Path], tiled: gtk.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = manifest_lines(contract_of(files["encoder"]), "")
    assert ("output", "codes, int64 (batch, 2, 2), codes 0..7") in lines
    assert any(text.startswith("codes is at most 0 from PyTorch's") for _, text in lines)
    assert "of 22 rows undecided, and not compared: the two best candidates" in lines[-1][1]
    assert not any(
        "undecided" in text for _, text in manifest_lines(contract_of(files["decoder"]), "")
    )
    assert gtk_command(["export", str(tiled.path), "--part", "encoder", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "codes is what PyTorch gives" in shown
    assert "rows undecided, and not compared" in shown
    assert "of each value" not in shown


def test_a_snippet_runs(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    contract = contract_of(files["decoder"])
    snippet = python_snippet(contract, str(files["decoder"]))
    assert '"codes": np.zeros((3, 2, 2), np.int64),  # yours, 0..7' in snippet
    exec(compile(snippet, "snippet", "exec"), {})  # noqa: S102 - what a user would do
    assert capsys.readouterr().out.startswith("image ")
    assert (
        'codes: new ort.Tensor("int64", new BigInt64Array(n * 2 * 2), [n, 2, 2]), // yours, 0..7'
    ) in javascript_snippet(contract, "decoder.onnx")


def test_it_can_be_measured(files: dict[str, Path], tiled: gtk.Run) -> None:
    for path in files.values():
        measurable = open_file(path, "cpu", tiled.path.parent)
        assert measurable.eager is not None, measurable.why
        assert len(measurable.measure(3, 0.0)) == 2


def test_a_run_can_be_measured(tiled: gtk.Run) -> None:
    assert len(open_run(tiled, "decoder", "cpu").measure(2, 0.0)) == 2


@pytest.mark.parametrize("files", [0], indirect=True)
def test_a_file_is_its_runs_whatever_undecided_rows_are(
    files: dict[str, Path], tiled: gtk.Run, tiles: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = load_part(files["sampler"])
    rows = example_rows(part.contract, COMPARED)
    found = part.run(rows)
    found["image"][5] = 1 - found["image"][5]
    with pytest.raises(UserError, match="are not the file's"):
        find_eager(part.contract, rows, found, [tiled.path], "cpu")
    at = torch.arange(COMPARED)
    monkeypatch.setattr(tiles, "sampled_margin", lambda *_: (at != 5).float())
    find_eager(part.contract, rows, found, [tiled.path], "cpu")
    monkeypatch.setattr(tiles, "sampled_margin", lambda *_: torch.zeros(COMPARED))
    with pytest.raises(
        UserError, match="all choices of 16 rows are undecided: none can be compared"
    ):
        find_eager(part.contract, rows, found, [tiled.path], "cpu")
