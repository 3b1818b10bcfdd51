"""Every family of models and kind of condition, from training to the exported file and back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import gtk
from gtk.core.values.errors import UserError
from gtk.exports.runtime import RequestError, load

pytestmark = pytest.mark.long

SMALL: dict[str, Any] = {"channels": (6, 8), "hidden_dims": (12, 12), "latent_dim": 4, "epochs": 1}


@pytest.mark.parametrize(
    ("plugin", "options", "part"),
    [
        ("vae", {"network": "conv", "normalization": "batch"}, "z"),
        ("cvae", {"network": "conv", "conditioner": "film", "likelihood": "learned-gaussian"}, "z"),
        ("cvae", {"prior": "learned", "likelihood": "discretized-logistic"}, "noise"),
        ("cvae", {"conditioner": "conditional-norm", "normalization": "group"}, "z"),
        ("vae", {"loss": "iwae", "likelihood": "gaussian"}, "z"),
        ("gan", {"network": "mlp"}, "z"),
        ("cgan", {}, "z"),
        ("cgan", {"conditioner": "projection", "loss": "hinge"}, "z"),
        ("cgan", {"loss": "least-squares", "conditioner": "embedding"}, "z"),
        (
            "cgan",
            {"loss": "wasserstein-gp", "discriminator_normalization": "group", "batch_size": 32},
            "z",
        ),
    ],
)
def test_a_file_draws_what_its_run_draws(
    plugin: str, options: dict[str, Any], part: str, tmp_path: Path
) -> None:
    run = gtk.train(plugin=plugin, quiet=True, **{**SMALL, **options})
    exported = gtk.export(run, tmp_path / "model.onnx")
    assert exported.parity.largest < 1e-5
    generator = load(exported.path)
    assert generator.noise_input == part
    for batch_size in (1, 7, 256):
        found = generator.sample(count=20, seed=3, batch_size=batch_size).astype(int)
        assert abs(found - run.sample(count=20, seed=3, batch_size=256)).max() <= 1


@pytest.mark.parametrize("plugin", ["cvae", "cgan"])
@pytest.mark.parametrize(
    ("data", "conditioner", "name"),
    [
        ("marks", "onehot", "attributes"),
        ("marks", "film", "attributes"),
        ("ramps", "embedding", "values"),
    ],
)
def test_attributes_and_numbers_go_all_the_way(
    outside: Path, tmp_path: Path, plugin: str, data: str, conditioner: str, name: str
) -> None:
    run = gtk.train(
        plugin=f"generative-toolkit/{plugin}",
        data=data,
        conditioner=conditioner,
        quiet=True,
        batch_size=20,
        **SMALL,
    )
    generator = load(gtk.export(run, tmp_path / "model.onnx").path)
    assert generator.condition_input == name
    assert generator.classes is None
    first, second = run.condition.names if run.condition else ("", "")
    labels = [{first: 1}, {second: 1}, {first: 1, second: 0}, (0, 1)]
    found = generator.sample(labels=labels, seed=3).astype(int)
    assert abs(found - run.sample(labels=labels, seed=3)).max() <= 1
    found = generator.sample(count=9, seed=3).astype(int)
    assert abs(found - run.sample(count=9, seed=3)).max() <= 1
    for wrong in ([{"rooof": 1}], [{first: 1e9}], [{first: "x"}], [(1,)], ["roof"], {first: 1}):
        with pytest.raises(RequestError) as in_file:
            generator.sample(labels=wrong)  # type: ignore[arg-type]
        with pytest.raises(UserError) as in_run:
            run.sample(labels=wrong)  # type: ignore[arg-type]
        assert str(in_file.value) == str(in_run.value)


def test_an_attribute_is_heeded(outside: Path) -> None:
    run = gtk.train(
        plugin="generative-toolkit/cvae", data="marks", epochs=60, batch_size=20, quiet=True
    )
    roof, wall = run.sample(labels=[{"roof": 1}, {"wall": 1}], seed=1).astype(int)
    assert roof[0, 1:].mean() > wall[0, 1:].mean() + 100
    assert wall[1:, 0].mean() > roof[1:, 0].mean() + 100


def test_a_number_is_heeded(outside: Path) -> None:
    options = {"conditioner": "embedding", "epochs": 60, "batch_size": 20, "quiet": True}
    run = gtk.train(plugin="generative-toolkit/cvae", data="ramps", **options)
    values = [10, 50, 90]
    found = run.sample(labels=[{"brightness": value} for value in values], seed=1)
    means = found.mean((1, 2, 3))
    assert np.all(np.diff(means) > 40)
    assert means == pytest.approx([2 * value + 30 for value in values], abs=20)


@pytest.mark.parametrize(
    ("plugin", "options", "parts"),
    [
        ("vae", {"network": "conv", "normalization": "batch"}, ["decoder", "encoder"]),
        ("cvae", {"prior": "learned"}, ["sampler", "decoder", "encoder"]),
        ("cvae", {"conditioner": "film", "likelihood": "learned-gaussian"}, ["decoder", "encoder"]),
        ("gan", {"network": "mlp"}, ["generator", "discriminator"]),
        ("cgan", {"conditioner": "projection"}, ["generator", "discriminator"]),
    ],
)
def test_every_part_is_what_the_model_computes(
    plugin: str, options: dict[str, Any], parts: list[str], tmp_path: Path
) -> None:
    run = gtk.train(plugin=plugin, quiet=True, **{**SMALL, **options})
    model = run.load_model()
    assert list(model.exports()) == parts
    for name in parts:
        exported = gtk.export(run, tmp_path / f"{name}.onnx", part=name)
        opened = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
        generator = np.random.default_rng(0)
        feeds: dict[str, Any] = {}
        for item in opened.get_inputs():
            shape = (5, *item.shape[1:])
            feeds[item.name] = generator.random(shape, dtype=np.float32)
            if item.name == "label":
                feeds[item.name] = np.arange(5)
        found = opened.run(None, feeds)
        for mine, theirs in zip(found, by_hand(model, name, feeds), strict=True):
            assert mine.shape == theirs.shape
            assert np.allclose(mine, theirs, atol=1e-5, rtol=1e-5)


def by_hand(model: Any, name: str, feeds: dict[str, Any]) -> list[Any]:
    """Return what a part should give, by the model's own methods."""
    first, *rest = (torch.from_numpy(value) for value in feeds.values())
    label = rest[0] if rest else None
    with torch.no_grad():
        if name == "encoder":
            posterior = model.encode(first, label)
            return [posterior.mean.numpy(), posterior.log_variance.numpy()]
        if name == "decoder":
            return [model.expected_image(model.decode(first, label)).numpy()]
        if name == "discriminator":
            return [model.discriminate(2 * first - 1, label).numpy()]
        return [model.sample(first, label).numpy()]


def test_a_sampler_goes_through_its_prior_and_a_decoder_does_not(tmp_path: Path) -> None:
    run = gtk.train(plugin="cvae", prior="learned", quiet=True, **SMALL)
    contracts = {
        name: json.loads(
            onnx.load(gtk.export(run, tmp_path / f"{name}.onnx", part=name).path)
            .metadata_props[0]
            .value
        )
        for name in ("sampler", "decoder")
    }
    assert contracts["sampler"]["latent"] == {"input": "noise", "shape": [4], "prior": "normal"}
    assert contracts["decoder"]["latent"] == {"input": "z", "shape": [4], "prior": "learned"}
