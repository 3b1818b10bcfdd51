"""The variational autoencoder's mathematics, and the sizes of the published networks."""

import math

import pytest
import torch
from torch.nn import functional

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.conditioner import ConditioningRecord
from gtk.core.contracts.loss import Context
from gtk.core.contracts.model import Model
from gtk.core.contracts.noise import Noise
from gtk.core.models.build import build
from gtk.core.models.summary import parameter_count
from gtk.core.registry.spec import NoConfig
from gtk.core.settings.choice import Choice
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import DataSpec
from gtk.plugins.conditioners.onehot import OneHot
from gtk.plugins.families.gaussian import DiagonalGaussian, StandardGaussian
from gtk.plugins.families.latent_variable import LatentVariableModel
from gtk.plugins.losses import ELBOConfig
from gtk.plugins.losses.elbo import ELBO
from gtk.plugins.vae import VAEConfig
from gtk.plugins.vae.likelihood import Bernoulli
from gtk.plugins.vae.model import VariationalAutoencoder

MNIST = DataSpec("mnist", 1, 28, 28, ConditionSpec(tuple("0123456789")))


@pytest.mark.parametrize(
    ("plugin", "latent_dim", "hidden_dims", "count"),
    [
        ("cvae", 32, (64,), 108_752),
        ("vae", 20, (400,), 652_824),
        ("vae", 2, (400,), 631_188),
    ],
    ids=["cvae-mlp", "vae-mlp", "vae-2d"],
)
def test_published_networks_are_exact(
    plugin: str, latent_dim: int, hidden_dims: tuple[int, ...], count: int
) -> None:
    options = {"latent_dim": latent_dim, "hidden_dims": hidden_dims}
    model, _ = build(Choice.by_name(plugin, "mnist").settle(options, None), MNIST)
    assert parameter_count(model) == count


def test_kl_is_zero_only_at_the_prior_and_matches_its_integral() -> None:
    prior = StandardGaussian()
    at_prior = DiagonalGaussian(torch.zeros(1, 3), torch.zeros(1, 3))
    assert prior.divergence(at_prior).sum().item() == 0
    mean, log_variance = torch.tensor([[0.7, -1.5]]), torch.tensor([[0.4, -2.0]])
    posterior = DiagonalGaussian(mean, log_variance)
    z = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    expected = 0.0
    for index in range(2):  # dimensions are independent, so their divergences add up
        one = DiagonalGaussian(
            mean[:, index : index + 1].double(), log_variance[:, index : index + 1].double()
        )
        log_q = one.log_prob(z[:, None])
        log_p = prior.log_prob(z[:, None])
        expected += torch.trapezoid(log_q.exp() * (log_q - log_p), z).item()
    assert prior.divergence(posterior).sum().item() == pytest.approx(expected, rel=1e-5)


def test_kl_matches_monte_carlo() -> None:
    generator = torch.Generator().manual_seed(0)
    count = 400_000
    posterior = DiagonalGaussian(torch.tensor([[0.5, -1.0]]), torch.tensor([[-1.0, 0.5]]))
    z = posterior.transform(torch.randn(count, 2, generator=generator))
    samples = posterior.log_prob(z) - StandardGaussian().log_prob(z)
    error = 4 * samples.std().item() / math.sqrt(count)
    assert StandardGaussian().divergence(posterior).sum().item() == pytest.approx(
        samples.mean().item(), abs=error
    )


def test_samples_of_the_posterior_have_its_moments() -> None:
    generator = torch.Generator().manual_seed(0)
    posterior = DiagonalGaussian(torch.tensor([[2.0]]), torch.tensor([[math.log(9.0)]]))
    z = posterior.transform(torch.randn(200_000, 1, generator=generator))
    assert z.mean().item() == pytest.approx(2.0, abs=0.03)
    assert z.std().item() == pytest.approx(3.0, abs=0.03)


def test_the_likelihood_of_binary_images_sums_to_one() -> None:
    logits = torch.randn(1, 1, 2, 3, dtype=torch.float64).float()
    images = torch.tensor(
        [[int(bit) for bit in f"{number:06b}"] for number in range(64)], dtype=torch.float32
    ).reshape(64, 1, 2, 3)
    total = Bernoulli().log_prob(logits.expand(64, -1, -1, -1), images).exp().sum()
    assert total.item() == pytest.approx(1.0, abs=1e-5)


def test_the_likelihood_is_torchs_cross_entropy_also_far_out() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(5, 3, 4, 2, generator=generator)
    for scale in (1.0, 30.0, 300.0):
        logits = scale * torch.randn(5, 3, 4, 2, generator=generator)
        expected = functional.binary_cross_entropy_with_logits(
            logits.double(), images.double(), reduction="none"
        ).sum((1, 2, 3))
        assert torch.allclose(-Bernoulli().log_prob(logits, images).double(), expected, rtol=1e-6)


def test_the_likelihoods_gradient_is_torchs() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(4, 1, 3, 3, generator=generator)
    weights = torch.randn(4, generator=generator)
    gradients = []
    for log_prob in (
        Bernoulli().log_prob,
        lambda logits, images: (
            -functional.binary_cross_entropy_with_logits(logits, images, reduction="none").sum(
                (1, 2, 3)
            )
        ),
    ):
        logits = torch.linspace(-40, 40, 36).reshape(4, 1, 3, 3).requires_grad_()
        (log_prob(logits, images) * weights).sum().backward()
        gradients.append(logits.grad)
    assert torch.allclose(*gradients, atol=1e-6)


@pytest.fixture
def model() -> VariationalAutoencoder:
    """A cvae with weights that make its posterior matter."""
    spec = DataSpec("toy", 1, 3, 3, ConditionSpec(("a", "b")))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        made = VariationalAutoencoder(
            VAEConfig(latent_dim=2, hidden_dims=(8,)),
            spec,
            ConditioningRecord(OneHot(NoConfig(), spec.condition)),
        )
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(3)
    return made


def batch(count: int = 6) -> Batch:
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(count, 1, 3, 3, generator=generator).round()
    return Batch(images, torch.arange(count) % 2)


def context(seed: int = 0) -> Context:
    noise = Noise(torch.device("cpu"))
    noise.seed(seed)
    return Context(noise, torch.zeros((), dtype=torch.int64), 1)


def test_the_model_is_what_the_loss_requires(model: VariationalAutoencoder) -> None:
    assert isinstance(model, LatentVariableModel)
    assert isinstance(model, Model)
    assert not issubclass(torch.nn.Linear, LatentVariableModel)


def log_likelihood_by_integration(model: VariationalAutoencoder, data: Batch) -> torch.Tensor:
    """Return log p(x | c) from a fine grid over the two latent dimensions."""
    axis = torch.linspace(-6, 6, 241)
    z = torch.cartesian_prod(axis, axis)
    log_p = StandardGaussian().log_prob(z)
    rows = []
    for image, label in zip(data.images, data.condition, strict=True):  # type: ignore[arg-type]
        logits = model.decode(z, label.expand(len(z)))
        log_x = model.log_likelihood(logits, image.expand(len(z), -1, -1, -1))
        rows.append(torch.logsumexp(log_x + log_p, 0) + 2 * math.log(axis[1] - axis[0]))
    return torch.stack(rows)


def importance_bound(model: VariationalAutoencoder, data: Batch, count: int) -> torch.Tensor:
    """Return the importance-weighted bound of `count` samples (arXiv:1509.00519, equation 8)."""
    generator = torch.Generator().manual_seed(3)
    posterior = model.encode(data.images, data.condition)
    weights = []
    for _ in range(count):
        z = posterior.transform(torch.randn(posterior.mean.shape, generator=generator))
        log_x = model.log_likelihood(model.decode(z, data.condition), data.images)
        weights.append(log_x + StandardGaussian().log_prob(z) - posterior.log_prob(z))
    return torch.logsumexp(torch.stack(weights), 0) - math.log(count)


def test_the_elbo_is_below_the_importance_bound_is_below_the_likelihood(
    model: VariationalAutoencoder,
) -> None:
    data, loss = batch(), ELBO(ELBOConfig())
    with torch.no_grad():
        elbo = -torch.stack(
            [loss.evaluate(model, data, context(seed))["loss"] for seed in range(3000)]
        ).mean(0)
        bound = importance_bound(model, data, 3000)
        exact = log_likelihood_by_integration(model, data)
    assert (elbo < bound - 0.01).all()
    assert torch.allclose(bound, exact, atol=0.15)
    assert (elbo < exact).all()


def test_beta_weighs_the_kl_and_the_terms_stay_in_nats(model: VariationalAutoencoder) -> None:
    plain = ELBO(ELBOConfig()).evaluate(model, batch(), context())
    heavy = ELBO(ELBOConfig(beta=4.0)).evaluate(model, batch(), context())
    for name in ("reconstruction", "kl"):
        assert torch.equal(plain[name], heavy[name])
    assert torch.allclose(heavy["loss"], plain["reconstruction"] + 4 * plain["kl"])
    assert torch.allclose(plain["loss"], plain["reconstruction"] + plain["kl"])


def test_the_update_is_the_mean_over_the_batch(model: VariationalAutoencoder) -> None:
    loss = ELBO(ELBOConfig())
    terms = loss.evaluate(model, batch(), context())
    (update,) = loss.updates(model, batch(), context())
    assert update.part is None
    assert update.loss.item() == pytest.approx(terms["loss"].mean().item())
    assert update.terms.keys() == {"reconstruction", "kl"}
    update.loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_sampling_is_a_function_of_noise_and_label(model: VariationalAutoencoder) -> None:
    z = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 0, 1, 1])
    with torch.no_grad():
        images = model.sample(z, labels)
        assert torch.equal(images, model.sample(z, labels))
        assert images.shape == (4, 1, 3, 3)
        assert images.min() >= 0
        assert images.max() <= 1
        assert not torch.allclose(images, model.sample(z, 1 - labels), atol=1e-3)
        assert not torch.allclose(images, model.sample(-z, labels), atol=1e-3)
