"""Draws from flow and diffusion models: solvers, guidance, and what does not fit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from torch import Tensor
from worlds import built, data_spec, settle

import gtk
from gtk.cli.main import run as run_gtk
from gtk.core.models.build import build_sampler
from gtk.core.models.sampling import draw_noise
from gtk.core.registry.discovery import find
from gtk.core.registry.installed import SAMPLER
from gtk.core.values.errors import InvalidValue
from gtk.core.values.solvers import SOLVERS
from gtk.exports.runtime import load

SMALL: dict[str, Any] = {"width": 16, "depth": 1, "epochs": 1, "quiet": True}


def model(plugin: str = "flow", *, nullable: bool = True) -> gtk.Model:
    """Return a model of three classes, whose weights are not those that begin as zero."""
    spec = data_spec("classes", (4, 3))
    settings = settle(plugin, width=8, depth=1, condition_dropout=0.1 if nullable else 0.0)
    given, _ = built(settings, spec)
    generator = torch.Generator().manual_seed(0)
    for parameter in given.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return given.eval()


def draw(given: gtk.Model, name: str, rows: Tensor | None, **options: Any) -> Tensor:
    """Draw six images, with the classes that are given."""
    plugin = find(SAMPLER, name)
    sampler = build_sampler(plugin, plugin.spec.config(**options), given)
    noise = map(torch.from_numpy, draw_noise(sampler, 6, 0).values())
    with torch.no_grad():
        images: Tensor = sampler.module()(*noise, condition=rows)
    return images


CLASSES, NONE = torch.arange(6) % 3, torch.full((6,), 3)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("plugin", ["flow", "diffusion"])
def test_every_solver_draws_and_counts_its_evaluations(name: str, plugin: str) -> None:
    given, asked = model(plugin), []
    given.register_forward_hook(lambda *_: None)
    velocity = given.velocity
    given.velocity = lambda *args: asked.append(1) or velocity(*args)  # type: ignore[method-assign,assignment,func-returns-value]
    plugin_, options = find(SAMPLER, name), {"steps": 3, "grid": "cosine", "guidance": 2.0}
    images = draw(given, name, CLASSES, **options)
    assert images.shape == (6, 1, 4, 3)
    assert ((images >= 0) & (images <= 1)).all()
    sampler = build_sampler(plugin_, plugin_.spec.config(**options), given)
    assert sampler.evaluations == len(asked)


def test_more_steps_come_to_the_same_images() -> None:
    given = model()
    fine = draw(given, "heun", CLASSES, steps=200)
    for name in ("euler", "midpoint", "dpm++", "ddim"):
        assert (draw(given, name, CLASSES, steps=200) - fine).abs().max() < 0.02


def test_guidance_of_1_is_none_and_of_0_forgets_the_condition() -> None:
    given = model()
    plain = draw(given, "heun", CLASSES)
    assert torch.equal(draw(given, "heun", CLASSES, guidance=1.0), plain)
    assert torch.equal(draw(given, "heun", CLASSES, guidance=0.0), draw(given, "heun", NONE))
    strong = draw(given, "heun", CLASSES, guidance=3.0)
    assert not torch.allclose(strong, plain)
    mixed = torch.where(torch.arange(6) < 3, CLASSES, NONE)
    guided = draw(given, "heun", mixed, guidance=3.0)
    assert torch.allclose(guided[:3], strong[:3])
    assert torch.allclose(guided[3:], draw(given, "heun", NONE)[3:]), "rows without one stay"
    never = draw(given, "euler", CLASSES, steps=4, guidance=3.0, guidance_from=0.9)
    assert torch.equal(never, draw(given, "euler", CLASSES, steps=4)), "no step is that late"


@pytest.mark.parametrize(("name", "times"), [("euler", (0, 0.25, 0.5, 0.75)), ("heun", (0, 1))])
def test_outside_the_interval_only_the_condition_is_evaluated(
    name: str, times: tuple[float, ...]
) -> None:
    given, asked = model(), []
    velocity = given.velocity

    def counted(x: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        asked.append((time[0].item(), bool((condition == 3).all())))
        return velocity(x, time, condition)  # type: ignore[no-any-return]

    given.velocity = counted  # type: ignore[method-assign,assignment]
    options = {"steps": len(times) if name == "euler" else 1, "guidance": 3.0}
    draw(given, name, CLASSES, guidance_from=0.2, guidance_until=0.6, **options)
    assert [time for time, without in asked if not without] == list(times)
    assert [time for time, without in asked if without] == [it for it in times if 0.2 <= it <= 0.6]


def test_noise_of_the_steps_is_drawn_besides_and_a_longer_draw_begins_with_it() -> None:
    plugin = find(SAMPLER, "ancestral")
    sampler = build_sampler(plugin, plugin.spec.config(steps=2), model())
    few, many = draw_noise(sampler, 2, 5), draw_noise(sampler, 4, 5)
    assert few["steps"].shape == (2, 2, 1, 4, 3)
    assert all(np.array_equal(few[name], many[name][:2]) for name in ("z", "steps"))
    assert np.array_equal(few["z"], sampler.model.noise.draw(2, 5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, r"steps must be within 1\.\.1,000, not 0"),
        ({"guidance": -1.0}, r"guidance must be within 0\.\.100, not -1\.0"),
        ({"guidance_from": 0.5, "guidance_until": 0.2}, "guidance_from must be less than"),
        ({"guidance_until": 1.5}, "both within 0..1"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw(model(), "euler", CLASSES, **options)


def test_guidance_needs_a_model_that_knows_images_without_a_condition() -> None:
    with pytest.raises(InvalidValue, match="train with condition_dropout=0.1"):
        draw(model(nullable=False), "euler", CLASSES, guidance=2.0)


@pytest.mark.usefixtures("workplace", "no_pictures")
def test_a_run_draws_by_any_solver_and_its_file_as_the_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = gtk.train("flow", name="flow", condition_dropout=0.1, steps=3, **SMALL)
    assert run.document["sampler"]["name"] == "heun"
    assert run_gtk(["sample", "flow", "-n", "2", "--guidance", "2", "--out", "two.png"]) == 0
    assert "2 images, seed 0, by heun with 12 evaluations each" in capsys.readouterr().out
    assert run_gtk(["traverse", "flow", "--out", "x.png"]) == 2
    assert "is an image itself" in capsys.readouterr().err
    own = run.sample(count=10, seed=2)
    assert np.array_equal(own, run.sample(count=10, seed=2, sampler="heun", steps=3))
    assert np.array_equal(own, run.sample(count=10, seed=2, batch_size=3))
    other = run.sample(count=10, seed=2, sampler="ancestral", steps=4, guidance=2.0)
    assert not np.array_equal(own, other)
    written = gtk.export(run)
    assert written.part == "sampler"
    assert run_gtk(["inspect", str(written.path)]) == 0
    assert "sampler     heun, steps 3, grid uniform, guidance 1.0" in capsys.readouterr().out
    proto = onnx.load(written.path)
    helper.set_model_props(proto, {"gtk": json.dumps({**written.contract, "sampler": {}})})
    onnx.save(proto, "nameless.onnx")
    assert run_gtk(["sample", "nameless.onnx", "--out", "n.png"]) == 2
    assert "the sampler has no name" in capsys.readouterr().err
    assert np.abs(load(written.path).sample(count=10, seed=2).astype(int) - own).max() <= 1
    with pytest.raises(InvalidValue, match="sampler 'direct' is for models of type SampledModel"):
        run.sample(count=1, sampler="direct")
    vae = gtk.train("vae", name="vae", hidden_dims=(8,), epochs=1, quiet=True)
    with pytest.raises(InvalidValue, match="sampler 'heun' is for models of type VelocityModel"):
        vae.sample(count=1, sampler="heun")
    assert not Path("runs/flow/flow-ancestral.onnx").exists()


@pytest.mark.long
@pytest.mark.usefixtures("workplace", "no_pictures")
@pytest.mark.parametrize(
    "options",
    [
        {"network": "unet", "channels": (8, 16), "attention_sizes": (4,)},
        {"network": "transformer", "width": 16, "depth": 1, "patch": 2},
    ],
)
def test_the_large_networks_train_draw_and_are_exported_with_guidance(
    options: dict[str, Any],
) -> None:
    given = {"condition_dropout": 0.1, "epochs": 1, "batch_size": 480, "quiet": True, **options}
    run = gtk.train("diffusion", name="large", steps=2, guidance=2.0, **given)
    own = run.sample(count=4, seed=2)
    found = load(gtk.export(run).path).sample(count=4, seed=2)
    assert np.abs(found.astype(int) - own).max() <= 1


@pytest.mark.parametrize(
    "options",
    [
        {"network": "unet", "channels": ()},
        {"network": "unet", "patch": 3},
        {"network": "transformer", "width": 15},
        {"depth": -1},
    ],
)
def test_what_a_network_cannot_have_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match="model 'flow': "):
        gtk.train("flow", **options)
