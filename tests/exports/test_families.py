"""Every family of models and kind of condition, from training to the exported file and back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gtk
from gtk.core.errors import UserError
from gtk.exports.runtime import RequestError, load

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
