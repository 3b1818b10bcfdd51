"""A file of one evaluation of a flow: what it says, and images by any solver."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

import gtk
from gtk.cli.main import run as run_gtk
from gtk.core.values.errors import PluginError
from gtk.core.values.solvers import SOLVERS
from gtk.core.values.time_value import Time
from gtk.exports.runtime import ExportFileError, RequestError, load, load_part

SMALL: dict[str, Any] = {"width": 16, "depth": 1, "epochs": 1, "quiet": True}


@pytest.fixture
def denoiser(flow_files: Path) -> Path:
    """The file; not to be written to."""
    return flow_files / "denoiser.onnx"


@pytest.fixture
def run(flow_files: Path) -> gtk.Run:
    """The run."""
    return gtk.load(flow_files / "flow")


def furthest(one: Any, other: Any) -> int:
    """Return by how many levels two sets of images differ at most."""
    return int(np.abs(one.astype(int) - other).max())


def test_its_manifest_says_what_a_program_needs_to_solve_it(denoiser: Path) -> None:
    contract = json.loads(denoiser.with_suffix(".json").read_text())
    assert contract["denoiser"] == {"path": "straight"}
    assert [(port["name"], port["kind"]) for port in contract["inputs"]] == [
        ("x", "latent"), ("time", "time"), ("label", "condition"),
    ]  # fmt: skip
    assert contract["latent"] == {"input": "x", "shape": [1, 8, 8], "prior": "normal"}
    assert contract["image"]["range"] == [-1, 1]
    assert contract["condition"]["absent"] == 10
    assert {"name": "midpoint", "steps": 3, "grid": "uniform"}.items() <= contract[
        "sampler"
    ].items()
    assert contract["parity"]["tolerance"] == 1e-5


@pytest.mark.parametrize("name", SOLVERS)
def test_it_draws_what_its_run_draws_by_every_solver(
    name: str, denoiser: Path, run: gtk.Run
) -> None:
    model = load(denoiser)
    for options in (
        {},
        {"steps": 5, "grid": "rho", "guidance": 3.0},
        {"steps": 4, "guidance": 0.0, "guidance_from": 0.2, "guidance_until": 0.8},
    ):
        found = model.sample(labels=[3, "none", 5, 1], seed=7, sampler=name, **options)
        wanted = run.sample(labels=[3, "none", 5, 1], seed=7, sampler=name, **options)
        assert furthest(found, wanted) <= 1
        again = model.sample([3, "none", 5, 1], seed=7, sampler=name, batch_size=3, **options)
        assert furthest(found, again) <= 1


def test_without_a_name_it_draws_as_its_run(denoiser: Path, run: gtk.Run) -> None:
    model = load(denoiser)
    assert furthest(model.sample(count=5, seed=2), run.sample(count=5, seed=2)) <= 1
    wanted = run.sample(count=5, seed=2, sampler="midpoint", steps=7)
    assert furthest(model.sample(count=5, seed=2, steps=7), wanted) <= 1
    assert furthest(model.sample(count=5, seed=2), wanted) > 1
    noise = model.draw_noise(5, 2)
    assert np.array_equal(model.generate(noise, steps=7), model.sample(count=5, seed=2, steps=7))


def test_states_lead_from_noise_to_the_image(denoiser: Path) -> None:
    model = load(denoiser)
    noise, *between, last = model.states(labels=[3, 4], seed=7, sampler="heun", steps=6)
    assert len(between) == 5
    shown = np.rint(np.clip(model.draw_noise(2, 7)[:, 0] / 2 + 0.5, 0, 1) * 255)
    assert np.array_equal(noise, shown)
    assert np.array_equal(last, model.sample(labels=[3, 4], seed=7, sampler="heun", steps=6))


def test_guidance_is_one_call_of_two_rows_for_an_image_within_its_interval(denoiser: Path) -> None:
    model, sizes = load(denoiser), []
    session = model.session
    model.session = type("Counting", (), {
        "run": lambda _, names, feeds: sizes.append(len(feeds["x"])) or session.run(names, feeds)
    })()  # fmt: skip
    model.sample(labels=[3, 4, 5], sampler="euler", steps=4, guidance=2.0, guidance_until=0.3)
    assert sizes == [6, 6, 3, 3]  # at times 0, 0.25, 0.5, 0.75


def test_a_loop_of_one_s_own_draws_the_same(denoiser: Path) -> None:
    model, part = load(denoiser), load_part(denoiser)
    x = model.draw_noise(3, 7)
    for time in (0.0, 0.25, 0.5, 0.75):
        inputs = {"x": x, "time": np.full(3, time, np.float32), "label": [1, 2, 3]}
        x += 0.25 * part.run(inputs)["velocity"]
    shown = np.rint(np.clip(x[:, 0] / 2 + 0.5, 0, 1) * 255)
    assert furthest(model.sample([1, 2, 3], seed=7, sampler="euler", steps=4), shown) <= 1
    with pytest.raises(RequestError, match=r"time must be in 0\.\.1, not 1\.5\.\.1\.5"):
        part.run({"x": x, "time": np.full(3, 1.5), "label": [1, 2, 3]})


def test_times_to_compare_on_include_both_ends_and_differ() -> None:
    times = Time().cases(20, 0)
    assert times[:2].tolist() == [0, 1]
    assert np.array_equal(Time().cases(17, 3), times[3:])
    assert np.diff(np.sort(times)).max() < 0.1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sampler": "heum"}, "unknown sampler 'heum'. Did you mean 'heun'?"),
        ({"steps": 0}, "steps must be within 1..1,000, not 0"),
        ({"steps": 10**9}, "steps must be within 1..1,000"),
        ({"steps": 2.5}, "steps must be a whole number, not 2.5"),
        ({"guidance": float("nan")}, "guidance must be within 0..100, not nan"),
        ({"guidance": "2"}, "guidance must be a number, not '2'"),
        ({"guidance_until": 1.5}, "both within 0..1"),
        ({"grid": "even"}, "grid must be uniform or cosine or rho, not 'even'"),
        ({"temperature": 0.5}, "unknown option of sampler 'midpoint' 'temperature'"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_line(
    given: dict[str, Any], message: str, denoiser: Path
) -> None:
    with pytest.raises(RequestError) as caught:
        load(denoiser).sample(count=1, **given)
    assert message in str(caught.value)
    with pytest.raises(RequestError) as caught:
        load(denoiser).states(count=1, **given)
    assert message in str(caught.value)


def test_other_parts_draw_in_one_way(exported: Path) -> None:
    decoder = load(exported)
    for given in ({"steps": 4}, {"sampler": "heun"}):
        with pytest.raises(RequestError, match="the decoder of a model, whose way of drawing is"):
            decoder.sample(count=1, **given)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="shows no steps: export the part denoiser"):
        decoder.states(count=1)


# Files from elsewhere -----------------------------------------------------------------------------


def changed(denoiser: Path, edit: Callable[[dict[str, Any]], Any]) -> str:
    """Write a copy of the file whose manifest was edited."""
    proto = onnx.load(denoiser)
    manifest = copy.deepcopy(json.loads(proto.metadata_props[0].value))
    edit(manifest)
    helper.set_model_props(proto, {"gtk": json.dumps(manifest)})
    onnx.save(proto, "changed.onnx")
    return "changed.onnx"


@pytest.mark.usefixtures("each_form")
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda it: it["denoiser"].update(path="bent"), "its path is not one of straight"),
        (lambda it: it["denoiser"].update(path=["straight"]), "an entry has the wrong type"),
        (lambda it: it.update(denoiser=None), "an entry has the wrong type"),
        (lambda it: it.update(denoiser={}), "it has no 'path'"),
        (lambda it: it.update(latent=None), "an input takes a latent code"),
        (lambda it: it["latent"].update(prior="learned"), "a denoiser maps noise, a time"),
        (lambda it: it["image"].update(range=[0, 1]), "images are neither"),
        (lambda it: it["image"].update(height=9), "a denoiser maps noise, a time"),
        (lambda it: it["image"].update(layout="NHWC"), "a denoiser maps noise, a time"),
        (lambda it: it.update(image=None), "an entry has the wrong type"),
        (lambda it: it["inputs"].reverse(), "a denoiser maps noise, a time"),
        (lambda it: it["inputs"][1].update(kind="latent"), "a denoiser maps noise, a time"),
        (lambda it: it["inputs"][1].update(shape=[2]), "time is more than a time for each image"),
        (lambda it: it["inputs"][1].update(dtype="int64"), "kind or type of time is unknown"),
        (lambda it: it["outputs"][0].update(shape=[64]), "a denoiser maps noise, a time"),
        (lambda it: it["sampler"].update(steps=10**6), "steps must be within 1..1,000"),
        (lambda it: it["sampler"].update(steps="3"), "steps must be a whole number"),
        (lambda it: it["sampler"].update(grid=["rho"]), "grid must be"),
        (lambda it: it["sampler"].update(guidance=1e300), "guidance must be within 0..100"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    edit: Callable[[dict[str, Any]], Any], message: str, denoiser: Path
) -> None:
    with pytest.raises(ExportFileError, match="the manifest in changed.onnx is damaged") as caught:
        load(changed(denoiser, edit))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("each_form")
def test_a_sampler_of_another_package_is_no_suggestion(denoiser: Path) -> None:
    own = {"package": "elsewhere", "version": "1", "name": "euler", "strength": [3]}
    found = load(changed(denoiser, lambda it: it.update(sampler=own))).sample(count=2)
    assert np.array_equal(found, load(denoiser).sample(count=2, sampler="heun"))


@pytest.mark.usefixtures("each_form")
def test_guidance_needs_a_model_that_knows_images_without_a_condition(denoiser: Path) -> None:
    model = load(changed(denoiser, lambda it: it["condition"].pop("absent")))
    assert model.sample(count=1).shape == (1, 8, 8)
    with pytest.raises(RequestError, match="leave it out, or train with condition_dropout=0.1"):
        model.sample(count=1, guidance=2.0)


def test_a_part_s_path_is_one_of_a_flow(run: gtk.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from gtk.plugins.flow.model import Flow

    exports = Flow.exports

    def wrong(self: Flow) -> dict[str, gtk.ExportPart]:
        part = exports(self)["denoiser"]
        return {"denoiser": gtk.ExportPart(part.module, ("z",), ("image",), path="straight")}

    monkeypatch.setattr(Flow, "exports", wrong)
    with pytest.raises(PluginError, match="has path 'straight': it is one of straight, cosine"):
        gtk.export(run, part="denoiser", dry_run=True)


# The command line ---------------------------------------------------------------------------------


def test_the_command_line_draws_by_any_solver_without_torch_and_plugins(
    denoiser: Path, run: gtk.Run
) -> None:
    arguments = ["--steps", "5", "--sampler", "heun", "--guidance", "2", "-n", "4", "--seed", "7"]
    code = (
        "import sys\nfrom gtk.cli.main import run\n"
        "assert run(sys.argv[1:]) == 0\n"
        "print(sorted({'torch', 'pluggy', 'onnx', 'sklearn'} & {*sys.modules}))"
    )
    options = [*arguments, "--no-labels", "--scale", "1"]
    command = [sys.executable, "-c", code, "sample", str(denoiser), *options, "--out", "file.png"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "4 images, seed 7, by heun with 20 evaluations each" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
    assert run_gtk(["sample", str(run.path), *options, "--out", "run.png"]) == 0
    from PIL import Image

    one, other = (np.asarray(Image.open(name)).astype(int) for name in ("file.png", "run.png"))
    assert np.abs(one - other).max() <= 1


def test_pictures_move_the_noise_alone(denoiser: Path, run: gtk.Run) -> None:
    for source, name in ((denoiser, "file"), (run.path, "run")):
        arguments = [str(source), "--sampler", "ancestral", "--sampler-steps", "4", "--label", "3"]
        layout = ["--no-labels", "--scale", "1", "--out", f"{name}.png"]
        assert run_gtk(["interpolate", *arguments, *layout]) == 0
    from PIL import Image

    one, other = (np.asarray(Image.open(name)).astype(int) for name in ("file.png", "run.png"))
    assert np.abs(one - other).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "0"], "steps must be within 1..1,000, not 0"),
        (["--sampler", "heum"], "unknown sampler 'heum'"),
        (["--sampler", "direct"], "unknown sampler 'direct'"),
        (["--guidance-until", "1.5"], "both within 0..1"),
        (["--grid", "even"], "'even' is not one of"),
        (["--temperature", "1"], "No such option '--temperature'"),
    ],
)
def test_mistakes_on_the_command_line_are_one_line(
    arguments: list[str], message: str, denoiser: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_gtk(["sample", str(denoiser), *arguments, "--out", "x.png"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("x.png").exists()


def test_steps_are_refused_for_a_file_of_another_part(
    exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("--steps", "--guidance"):
        assert run_gtk(["sample", str(exported), option, "2", "--out", "x.png"]) == 2
        error = capsys.readouterr().err
        assert "small.onnx is the decoder of a model, whose way of drawing is fixed" in error
        assert f"leave {option} out, or export the part denoiser" in error
        assert error.count("\n") == 1


# Other forms --------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("plugin", ["flow", "diffusion"])
@pytest.mark.parametrize(
    "options",
    [
        {"precision": "fp16"},
        {"batch_size": 4},
        {"path": "cosine"},
        {"path": "variance-preserving"},
        {"network": "unet", "channels": (8, 16), "attention_sizes": (4,)},
        {"conditioner": "unconditional"},
    ],
    ids=str,
)
def test_every_form_is_proven_and_draws_as_its_run(
    plugin: str, options: dict[str, Any], tmp_path: Path
) -> None:
    form = {key: options[key] for key in ("precision", "batch_size") if key in options}
    own = {key: value for key, value in options.items() if key not in form}
    dropout = {} if "conditioner" in own else {"condition_dropout": 0.1}
    run = gtk.train(plugin, name="run", **SMALL, **dropout, **own)
    written = gtk.export(run, tmp_path / "it.onnx", part="denoiser", **form)
    guided = {"guidance": 2.0} if dropout else {}
    for name in ("heun", "dpm++"):
        found = load(written.path).sample(count=6, seed=3, sampler=name, steps=4, **guided)
        wanted = run.sample(count=6, seed=3, sampler=name, steps=4, **guided)
        assert furthest(found, wanted) <= (2 if "precision" in form else 1)
