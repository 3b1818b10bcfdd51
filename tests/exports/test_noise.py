"""Files of samplers that draw more noise than z: each further array is an input of its own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from made_once import made_once
from onnx import helper
from PIL import Image
from torch import nn
from toy_noise import SHAPES, Choosing, draw_with_noise

import gtk
from gtk.cli.main import run as gtk_command
from gtk.core.values.errors import ExportMismatch, InvalidValue, PluginError
from gtk.core.values.noise import NoiseRows, NoiseSpec, draw_ports
from gtk.core.values.seeding import derive_seed
from gtk.exports.runtime import ExportFileError, RequestError, load, load_part

#: A sampler that looks up noise in each step, and its options.
ANCESTRAL: dict[str, Any] = {"sampler": "ancestral", "sampler_options": {"steps": 4}}


@pytest.fixture(scope="module")
def folder(one_table: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `flow`, and its draw by `ancestral` as ancestral.onnx; not to be written to."""

    def make(folder: Path) -> None:
        run = gtk.train("flow", name="flow", runs=folder, width=16, depth=1, epochs=1, quiet=True)
        command = ["export", str(run.path), "--out", str(folder / "ancestral.onnx")]
        assert gtk_command([*command, "--sampler", "ancestral", "--steps", "4"]) == 0

    return made_once(tmp_path_factory, "ancestral", make)


@pytest.fixture
def flow(folder: Path) -> gtk.Run:
    return gtk.load(folder / "flow")


def differ(one: Any, other: Any) -> int:
    """Return by how many levels two pictures differ at most."""
    return int(abs(np.asarray(one).astype(int) - np.asarray(other)).max())


# Values -------------------------------------------------------------------------------------------


def test_further_noise_has_seeds_of_its_own() -> None:
    noise = {"z": NoiseSpec((3,)), "choice": NoiseSpec((1,)), "steps": NoiseSpec((2, 3))}
    drawn = draw_ports(noise, 4, 7)
    assert list(drawn) == ["z", "choice", "steps"]
    assert np.array_equal(drawn["z"], NoiseSpec((3,)).draw(4, 7))
    for name in ("choice", "steps"):
        expected = noise[name].draw(4, derive_seed(7, f"sample/{name}"))
        assert np.array_equal(drawn[name], expected)


def test_noise_is_drawn_in_batches_to_the_same_bits() -> None:
    spec = NoiseSpec((3, 5))
    rows = NoiseRows(spec, 7, 2)
    batches = [rows[0:3], rows[3:4], rows[4:9]]
    assert [len(batch) for batch in batches] == [3, 1, 3]
    assert np.array_equal(np.concatenate(batches), spec.draw(7, 2))
    with pytest.raises(IndexError, match="from row 7 on, not from 0"):
        rows[0:1]
    same = NoiseRows(spec, 7, 2, same=True)
    assert np.array_equal(np.concatenate([same[0:4], same[4:8]]), spec.draw(1, 2).repeat(7, 0))


# A draw of many steps -----------------------------------------------------------------------------


def test_the_command_line_draws_from_a_file_what_it_draws_from_the_run(
    folder: Path, flow: gtk.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(folder / "ancestral.onnx")
    sources = [str(flow.path), "--sampler", "ancestral", "--sampler-steps", "4"], [file]
    for name, *options in (["sample", "-n", "20"], ["interpolate", "--rows", "2"]):
        drawn = []
        for source in sources:
            out = f"{name}-{len(source)}.png"
            asked = [*source, *options, "--seed", "7", "--no-labels", "--out", out]
            assert gtk_command([name, *asked]) == 0
            drawn.append(np.asarray(Image.open(out)))
        assert differ(*drawn) <= 1
        assert drawn[0].std() > 10
    capsys.readouterr()
    assert gtk_command(["inspect", file]) == 0
    shown = capsys.readouterr().out
    assert "steps, float32 (batch, 4, 1, 8, 8), drawn from (seed, sample/steps)" in shown
    assert "sampler     ancestral, steps 4" in shown


@pytest.mark.usefixtures("each_form")
def test_the_runtime_draws_all_noise_as_the_run_does(folder: Path, flow: gtk.Run) -> None:
    generator = load(folder / "ancestral.onnx")
    assert {name: spec.shape for name, spec in generator.noise.items()} == {
        "z": (1, 8, 8),
        "steps": (4, 1, 8, 8),
    }
    own = {"sampler": "ancestral", "steps": 4}
    images = generator.sample(count=10, seed=7)
    assert differ(images, flow.sample(count=10, seed=7, **own)) <= 1
    assert differ(images, generator.sample(count=10, seed=7, batch_size=3)) <= 1
    noise = generator.draw_noise(10, 7)
    for seed in (0, 7):
        given = generator.generate(noise, list(range(10)), seed=seed)
        assert differ(given, flow.generate(noise, list(range(10)), seed=seed, **own)) <= 1
        assert (differ(given, images) <= 1) == (seed == 7)
    with pytest.raises(RequestError, match="seed"):
        generator.generate(noise, seed=-1)
    with pytest.raises(RequestError, match="the input steps is missing"):
        load_part(folder / "ancestral.onnx").run({"z": noise, "label": [0] * 10})


def test_noise_that_steps_look_up_is_not_copied_in_each_of_them(folder: Path) -> None:
    (loop,) = (
        node for node in onnx.load(folder / "ancestral.onnx").graph.node if node.op_type == "Loop"
    )
    assert len(loop.output) == 1
    shapes = [len(item.type.tensor_type.shape.dim) for item in loop.attribute[0].g.input[2:]]
    assert shapes == [4], "the state is the image alone"


@pytest.mark.long
def test_a_fixed_batch_and_float16_have_all_noise(flow: gtk.Run) -> None:
    made = gtk.export(flow, "fixed.onnx", batch_size=2, precision="fp16", **ANCESTRAL)
    assert made.contract["inputs"][1]["shape"] == [4, 1, 8, 8]
    expected = flow.sample(count=5, seed=3, sampler="ancestral", steps=4)
    assert differ(load("fixed.onnx").sample(count=5, seed=3), expected) <= 2
    assert gtk.export(flow, "again.onnx", prove="fixed.onnx").parity.float16 is not None


# One pass -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp32", pytest.param("fp16", marks=pytest.mark.long)])
def test_a_module_of_one_pass_takes_any_noise(
    precision: Any, monkeypatch: pytest.MonkeyPatch, small_run: gtk.Run
) -> None:
    draw_with_noise(monkeypatch)
    made = gtk.export(small_run, "choosing.onnx", sampler="direct", precision=precision)
    assert made.part == "sampler"
    found = {port["name"]: port for port in made.contract["inputs"]}
    assert list(found) == ["z", *SHAPES, "label"]
    assert {name: tuple(found[name]["shape"]) for name in SHAPES} == SHAPES
    assert {name: port.get("seed") for name, port in found.items()} == {
        "z": None,
        **{name: f"sample/{name}" for name in SHAPES},
        "label": None,
    }
    images = load("choosing.onnx").sample(count=30, seed=7)
    assert differ(images, small_run.sample(count=30, seed=7)) <= (1 if precision == "fp32" else 2)
    assert differ(images, load("choosing.onnx").sample(count=30, seed=8)) > 10


def test_noise_in_a_wrong_order_is_found(
    monkeypatch: pytest.MonkeyPatch, small_run: gtk.Run
) -> None:
    swapped = iter([True])

    def module(model: Any) -> nn.Module:
        return Choosing(model, swapped=next(swapped, False))

    draw_with_noise(monkeypatch, SHAPES, module)
    with pytest.raises(ExportMismatch, match="differs from PyTorch"):
        gtk.export(small_run, "swapped.onnx", sampler="direct")


@pytest.mark.parametrize(
    ("shapes", "kind", "message"),
    [
        ({"label": (1,)}, PluginError, "noise and the condition are both called 'label'"),
        ({"image": (1,)}, PluginError, "sampler 'direct' has 'image', which is its latent"),
        ({"a b": (1,)}, PluginError, "they should be names"),
        ({"steps": (1,), "z": (16,)}, PluginError, "its noise does not begin with 'z'"),
        ({f"n{at}": (1,) for at in range(16)}, InvalidValue, "32 numbers for an image in 17 arr"),
        ({"many": (1 << 24,)}, InvalidValue, "draws 16,777,232 numbers for an image"),
    ],
)
def test_noise_that_no_file_holds_is_one_line(
    shapes: Any,
    kind: type[Exception],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    small_run: gtk.Run,
) -> None:
    draw_with_noise(monkeypatch, shapes)
    with pytest.raises(kind, match=message) as caught:
        gtk.export(small_run, "bad.onnx", sampler="direct")
    assert "\n" not in str(caught.value)


def test_a_draw_refuses_noise_that_does_not_begin_with_z(
    monkeypatch: pytest.MonkeyPatch, small_run: gtk.Run
) -> None:
    draw_with_noise(monkeypatch, {"steps": (1,), "z": (16,)})
    with pytest.raises(PluginError, match="^sampler 'direct': its noise does not begin with 'z'$"):
        small_run.sample(count=1, sampler="direct")


# Files from elsewhere -----------------------------------------------------------------------------


Z = {"name": "z", "kind": "latent", "dtype": "float32", "shape": [1, 8, 8]}
STEPS = {**Z, "name": "steps", "shape": [4, 1, 8, 8], "seed": "sample/steps"}
LABEL = {"name": "label", "kind": "condition", "dtype": "int64", "shape": []}


@pytest.mark.usefixtures("each_form")
@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([Z, {**STEPS, "seed": "sample/z"}, LABEL], "the seed of steps is not one of its noise"),
        ([Z, {**STEPS, "seed": 7}, LABEL], "the seed of steps"),
        ([Z, {**STEPS, "seed": None}, LABEL], "the seed of steps"),
        ([Z, STEPS, {**LABEL, "seed": "sample/label"}], "the seed of label"),
        ([Z, {**STEPS, "shape": [1 << 24]}, LABEL], "2 inputs of 16,777,280 numbers in all take"),
        ([Z, {**STEPS, "shape": [1 << 25]}, LABEL], "of steps is out of range"),
        ([Z, {**STEPS, "shape": [4, 0, 8, 8]}, LABEL], "of steps is out of range"),
        ([Z, {**STEPS, "shape": [5, 1, 8, 8]}, LABEL], "it promises inputs"),
        ([Z, LABEL], "it promises inputs"),
        ([STEPS, Z, LABEL], "the latent code is"),
        (
            [Z, *({**STEPS, "name": f"n{at}", "seed": f"sample/n{at}"} for at in range(16)), LABEL],
            "17 inputs of 4,160 numbers in all take noise",
        ),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_a_manifest_with_other_noise_is_refused(folder: Path, inputs: Any, message: str) -> None:
    proto = onnx.load(folder / "ancestral.onnx")
    manifest = json.loads((folder / "ancestral.json").read_text())
    helper.set_model_props(proto, {"gtk": json.dumps({**manifest, "inputs": inputs})})
    onnx.save(proto, "bad.onnx")
    with pytest.raises(ExportFileError, match=message) as caught:
        load("bad.onnx")
    assert "\n" not in str(caught.value)


def test_latent_inputs_without_a_seed_are_given_by_the_app(folder: Path) -> None:
    """Parts of plugins may have several: gtk does not know how they are drawn."""
    proto = onnx.load(folder / "ancestral.onnx")
    manifest = json.loads((folder / "ancestral.json").read_text())
    del manifest["inputs"][1]["seed"]
    helper.set_model_props(proto, {"gtk": json.dumps(manifest)})
    onnx.save(proto, "other.onnx")
    with pytest.raises(ExportFileError, match="does not make images from noise"):
        load("other.onnx")
    rows = {"z": np.zeros((1, 1, 8, 8)), "steps": np.zeros((1, 4, 1, 8, 8)), "label": [3]}
    assert load_part("other.onnx").run(rows)["image"].shape == (1, 1, 8, 8)
