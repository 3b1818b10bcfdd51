"""`draw`: images from the likelihood, which is the distribution that its density says."""

import numpy as np
import pytest
import torch
from torch import Tensor

import gtk
from gtk.core.models.sampling import to_pixels
from gtk.plugins.vae.likelihood import Likelihood, make_likelihood

#: Quantiles of the standard normal, evenly apart: what draws of a pixel come to on average.
NOISE = torch.special.ndtri((torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000).float()


def drawn(likelihood: Likelihood, *parameters: float) -> Tensor:
    """Return the pixels that one pixel's parameters give for `NOISE`, in order."""
    given = torch.tensor(parameters).reshape(1, -1, 1, 1).expand(len(NOISE), -1, -1, -1)
    images = likelihood.draw(given, NOISE.reshape(-1, 1, 1, 1))
    assert images.shape == (len(NOISE), 1, 1, 1)
    return images.flatten()


@pytest.mark.parametrize("logit", [-9.0, -1.0, 0.0, 2.5])
def test_a_bernoulli_pixel_is_white_as_often_as_it_says(logit: float) -> None:
    pixels = drawn(make_likelihood("bernoulli", 1.0), logit)
    assert set(pixels.tolist()) <= {0.0, 1.0}
    expected = torch.tensor(logit).sigmoid().item()
    assert pixels.mean().item() == pytest.approx(expected, abs=1e-4)


def test_a_gaussian_pixel_has_mean_and_deviation() -> None:
    fixed = drawn(make_likelihood("gaussian", 0.01), 0.5)
    assert fixed.mean().item() == pytest.approx(0.5, abs=1e-4)
    assert fixed.std().item() == pytest.approx(0.1, rel=1e-3)
    learned, raw = make_likelihood("learned-gaussian", 1.0), -3.0
    parameters = torch.tensor([0.5, raw]).reshape(1, 2, 1, 1)
    density = learned.log_prob(parameters, torch.full((1, 1, 1, 1), 0.5))
    deviation = 1 / (density.exp().item() * (2 * torch.pi) ** 0.5)
    assert drawn(learned, 0.5, raw).std().item() == pytest.approx(deviation, rel=1e-3)
    assert 0.01 < deviation < 0.15


@pytest.mark.parametrize("mean", [-0.1, 0.02, 0.4, 1.0])
@pytest.mark.parametrize("raw", [-8.0, 0.0, 2.0])
def test_levels_of_the_discretized_logistic_are_as_likely_as_it_says(
    mean: float, raw: float
) -> None:
    likelihood = make_likelihood("discretized-logistic", 1.0)
    levels = to_pixels(drawn(likelihood, mean, raw).reshape(-1, 1, 1, 1).numpy())
    found = np.bincount(levels.flatten(), minlength=256) / len(NOISE)
    parameters = torch.tensor([mean, raw]).reshape(1, 2, 1, 1).expand(256, -1, -1, -1)
    images = torch.arange(256.0).reshape(-1, 1, 1, 1) / 255
    expected = likelihood.log_prob(parameters, images).exp().numpy()
    assert np.abs(found.cumsum() - expected.cumsum()).max() < 2e-4


@pytest.mark.parametrize(
    "name", ["bernoulli", "gaussian", "learned-gaussian", "discretized-logistic"]
)
def test_more_noise_is_a_lighter_pixel_out_to_its_ends(name: str) -> None:
    likelihood = make_likelihood(name, 0.04)  # type: ignore[arg-type]
    parameters = torch.tensor([0.3, 0.1][: likelihood.channels(1)]).reshape(1, -1, 1, 1)
    noise = torch.tensor([-40.0, -6.0, -1.0, 0.5, 6.0, 40.0]).reshape(-1, 1, 1, 1)
    pixels = likelihood.draw(parameters.expand(6, -1, -1, -1), noise).flatten()
    assert pixels.isfinite().all()
    assert (pixels.diff() >= 0).all()
    assert pixels[[0, -1]].tolist() == [0, 1]


def test_draws_of_a_run_are_on_average_the_expected_image(small_run: gtk.Run) -> None:
    z = np.repeat(gtk.NoiseSpec((16,)).draw(1, 5), 4_000, axis=0)
    images = small_run.generate(z, [3] * len(z), sampler="draw")
    assert set(np.unique(images)) == {0, 255}
    expected = small_run.generate(z[:1], [3])[0]
    assert images.mean(0) == pytest.approx(expected.astype(float), abs=10)
    again = small_run.generate(z[:5], [3] * 5, sampler="draw")
    assert np.array_equal(again, images[:5])
    other = small_run.generate(z[:5], [3] * 5, sampler="draw", seed=1)
    assert not np.array_equal(other, images[:5])
