"""The likelihoods are distributions: they sum to one, and learn what is known."""

import math

import pytest
import torch
from torch import Tensor
from worlds import built, data_spec, settle

from gtk.plugins.vae.bernoulli import Bernoulli
from gtk.plugins.vae.likelihood import (
    DiscretizedLogistic,
    FixedGaussian,
    LearnedGaussian,
    Likelihood,
    make_likelihood,
)

LEVELS = torch.arange(256.0) / 255


@pytest.mark.parametrize("mean", [-0.3, 0.0, 0.1, 0.5, 0.999, 1.4])
@pytest.mark.parametrize("raw_scale", [-30.0, -5.0, -1.0, 0.0, 3.0])
def test_the_discretized_logistic_sums_to_one_over_256_levels(
    mean: float, raw_scale: float
) -> None:
    parameters = torch.tensor([mean, raw_scale]).reshape(1, 2, 1, 1).expand(256, -1, -1, -1)
    log_prob = DiscretizedLogistic().log_prob(parameters, LEVELS.reshape(256, 1, 1, 1))
    assert log_prob.double().exp().sum().item() == pytest.approx(1, abs=5e-5)


def test_the_discretized_logistic_is_the_difference_of_two_sigmoids() -> None:
    mean, raw = 0.4, torch.tensor(0.3, dtype=torch.float64)
    likelihood = DiscretizedLogistic()
    parameters = torch.tensor([mean, raw.item()]).reshape(1, 2, 1, 1).expand(254, -1, -1, -1)
    inner = LEVELS[1:-1]
    found = likelihood.log_prob(parameters, inner.reshape(-1, 1, 1, 1))
    least, first = math.log(0.1 / 255), math.log(1 / 8)
    scale = torch.exp(least + torch.nn.functional.softplus(raw + (first - least)))
    edges = [(inner.double() + half - mean) / scale for half in (0.5 / 255, -0.5 / 255)]
    expected = torch.log(torch.sigmoid(edges[0]) - torch.sigmoid(edges[1]))
    assert torch.allclose(found.double(), expected, atol=1e-4)


def test_far_from_the_mean_the_discretized_logistic_stays_finite_and_has_a_gradient() -> None:
    parameters = torch.tensor([5.0, -40.0]).reshape(1, 2, 1, 1).requires_grad_()
    log_prob = DiscretizedLogistic().log_prob(parameters, torch.full((1, 1, 1, 1), 0.5))
    (gradient,) = torch.autograd.grad(log_prob.sum(), parameters)
    assert torch.isfinite(log_prob).all()
    assert torch.isfinite(gradient).all()
    assert gradient[0, 0, 0, 0] < 0, "the mean ought to come nearer"


def test_a_gaussians_density_integrates_to_one_and_is_torchs() -> None:
    x = torch.linspace(-4, 5, 20_001)
    images = x.reshape(-1, 1, 1, 1)
    fixed = FixedGaussian(0.04).log_prob(torch.full_like(images, 0.3), images)
    assert torch.trapezoid(fixed.exp(), x).item() == pytest.approx(1, abs=1e-4)
    expected = torch.distributions.Normal(0.3, 0.2).log_prob(x)
    assert torch.allclose(fixed, expected, atol=1e-3)
    learned = LearnedGaussian()
    parameters = torch.tensor([0.3, 0.7]).reshape(1, 2, 1, 1).expand(20_001, -1, -1, -1)
    std = torch.exp(0.5 * learned.log_variance(parameters)).flatten()
    expected = torch.distributions.Normal(0.3, std).log_prob(x)
    assert torch.allclose(learned.log_prob(parameters, images), expected, atol=1e-3)


@pytest.mark.parametrize("known", [0.01, 0.05, 0.2])
def test_a_learned_variance_recovers_a_known_one(known: float) -> None:
    generator = torch.Generator().manual_seed(0)
    images = 0.5 + known * torch.randn(4000, 1, 1, 2, generator=generator)
    images[..., 1] = 0.5 + 2 * (images[..., 1] - 0.5)
    parameters = torch.zeros(1, 2, 1, 2, requires_grad=True)
    likelihood = LearnedGaussian()
    optimizer = torch.optim.Adam([parameters], lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        loss = -likelihood.log_prob(parameters.expand(4000, -1, -1, -1), images).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    found = torch.exp(0.5 * likelihood.log_variance(parameters)).flatten()
    assert found.tolist() == pytest.approx([known, 2 * known], rel=0.05)
    assert likelihood.mean(parameters).flatten().tolist() == pytest.approx([0.5, 0.5], abs=0.02)


def test_no_variance_is_less_than_a_level_of_an_image() -> None:
    parameters = torch.full((1, 2, 1, 1), -1e4)
    assert LearnedGaussian().log_variance(parameters).item() == pytest.approx(2 * math.log(1 / 255))


@pytest.mark.parametrize(
    ("name", "kind", "maps"),
    [
        ("bernoulli", Bernoulli, 3),
        ("gaussian", FixedGaussian, 3),
        ("learned-gaussian", LearnedGaussian, 6),
        ("discretized-logistic", DiscretizedLogistic, 6),
    ],
)
def test_a_likelihood_says_how_many_maps_it_needs_and_means_an_image(
    name: str, kind: type, maps: int
) -> None:
    likelihood: Likelihood = make_likelihood(name, 0.1)  # type: ignore[arg-type]
    assert type(likelihood) is kind
    assert likelihood.channels(3) == maps
    model, _ = built(settle("vae", likelihood=name), data_spec("none", (8, 9), 3))
    z = 30 * torch.randn(4, 16)
    assert model.decode(z, None).shape == (4, maps, 8, 9)
    images: Tensor = model.sample(z, None)
    assert images.shape == (4, 3, 8, 9)
    assert 0 <= images.min() <= images.max() <= 1
    assert model.log_likelihood(model.decode(z, None), images).shape == (4,)


def test_a_fixed_variance_is_the_one_that_was_asked_for() -> None:
    model, _ = built(settle("vae", likelihood="gaussian", variance=0.25), data_spec("none"))
    assert model.likelihood.variance == 0.25
