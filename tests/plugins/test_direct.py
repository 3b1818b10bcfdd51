"""`direct`: the model's own samples, from noise that may be scaled or truncated."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import gtk
from gtk.core.contracts.model import Sampling
from gtk.core.values.errors import InvalidValue, UnknownName
from gtk.exports.runtime import load
from gtk.plugins.samplers import DirectConfig
from gtk.plugins.samplers.direct import Direct, inverse_erf, truncated


def test_the_inverse_of_erf_is_torch_s_to_single_precision() -> None:
    x = torch.linspace(-0.99993, 0.99993, 2001)
    exact = torch.erfinv(x.double())
    assert (inverse_erf(x).double() - exact).abs().max() < 2e-4, "erf is steep there"
    near = x.abs() < 0.99
    assert (inverse_erf(x).double() - exact)[near].abs().max() < 2e-6


@pytest.mark.parametrize("bound", [0.5, 2.0, 4.0])
def test_truncated_noise_has_the_truncated_distribution(bound: float) -> None:
    """Its variance is 1 - 2 b phi(b) / (2 Phi(b) - 1)."""
    z = torch.from_numpy(gtk.NoiseSpec((1,)).draw(200_000, 0))
    found = truncated(z, bound)
    assert found.abs().max() <= bound + 1e-4
    density = math.exp(-(bound**2) / 2) / math.sqrt(2 * math.pi)
    variance = 1 - 2 * bound * density / math.erf(bound / math.sqrt(2))
    assert found.var().item() == pytest.approx(variance, rel=0.01)
    assert (found.flatten().argsort() == z.flatten().argsort()).float().mean() > 0.99, "in order"


def test_as_it_is_it_is_the_model_s_own_sample(small_run: gtk.Run) -> None:
    model = small_run.load_model()
    assert isinstance(Direct(DirectConfig(), model).module(), Sampling)
    plain = small_run.sample(count=8, seed=1)
    assert np.array_equal(plain, small_run.sample(count=8, seed=1, sampler="direct"))
    noise = model.noise.draw(8, 1)
    cooled = small_run.sample(count=8, seed=1, temperature=0.5)
    assert np.array_equal(cooled, small_run.generate(noise / 2))
    assert not np.array_equal(plain, cooled)
    one = small_run.sample([3] * 4, seed=1, temperature=0.0)
    assert (one == one[0]).all(), "the middle of the class alone"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1.0}, r"temperature must be at least 0, not -1\.0"),
        ({"truncation": 5.0}, r"truncation must be within 0\.\.4, not 5\.0"),
        ({"temperature": "hot"}, "temperature takes a number, not 'hot'"),
        ({"steps": 3}, "unknown option of sampler 'direct' 'steps'. Known: temperature"),
        ({"sampler": "hein"}, "unknown sampler 'hein'"),
    ],
)
def test_what_a_sampler_cannot_do_is_one_line(
    small_run: gtk.Run, options: dict[str, object], message: str
) -> None:
    with pytest.raises((InvalidValue, UnknownName), match=message):
        small_run.sample(count=1, **options)  # type: ignore[arg-type]


def test_a_run_keeps_its_sampler_and_its_file_draws_alike(
    workplace: Path, no_pictures: None
) -> None:
    run = gtk.train(
        "cvae", epochs=1, hidden_dims=(8,), latent_dim=2, temperature=0.5, quiet=True, name="cool"
    )
    assert run.document["sampler"] == {"name": "direct", "temperature": 0.5, "truncation": 0.0}
    own = run.sample(count=10, seed=3)
    warm = run.sample(count=10, seed=3, sampler="direct")
    assert not np.array_equal(own, warm), "a sampler that is named starts from its own defaults"
    assert np.array_equal(own, gtk.load("cool").sample(count=10, seed=3))
    written = gtk.export(run)
    assert written.path.name == "cool-sampler.onnx"
    assert written.contract["sampler"]["temperature"] == 0.5
    assert np.abs(load(written.path).sample(count=10, seed=3).astype(int) - own).max() <= 1
    plain = gtk.export(run, "plain.onnx", sampler="direct")
    assert (plain.part, "sampler" in plain.contract) == ("decoder", False)
    assert np.abs(load(plain.path).sample(count=10, seed=3).astype(int) - warm).max() <= 1
    cut = gtk.export(run, "cut.onnx", sampler_options={"truncation": 1.0})
    found = run.sample(count=10, seed=3, truncation=1.0)
    assert np.abs(load(cut.path).sample(count=10, seed=3).astype(int) - found).max() <= 1
