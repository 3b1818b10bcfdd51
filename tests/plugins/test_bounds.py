"""`elbo` and `iwae` against the exact log p(x) of a linear-Gaussian model, and their options."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from worlds import built, data_spec, dataset, settle, trained

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Update
from gtk.core.contracts.noise import Noise
from gtk.core.settings.choice import Settings
from gtk.core.training.trainer import Trainer
from gtk.core.values.errors import InvalidValue
from gtk.plugins.families.gaussian import DiagonalGaussian, StandardGaussian
from gtk.plugins.losses import ELBOConfig, IWAEConfig, iwae
from gtk.plugins.losses.elbo import ELBO
from gtk.plugins.losses.iwae import IWAE
from gtk.plugins.vae.likelihood import FixedGaussian

VARIANCE = 0.05


class LinearGaussian(nn.Module):
    """p(z) = N(0, I), p(x | z) = N(Wz + b, VARIANCE): log p(x) and p(z | x) are known.

    W has orthogonal columns, so the exact posterior has a diagonal covariance.
    """

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        basis, _ = torch.linalg.qr(torch.randn(4, 2, generator=generator))
        self.weight = basis * torch.tensor([0.5, 0.3])
        self.bias = torch.tensor([0.2, 0.4, 0.6, 0.8])
        self.posterior_map = nn.Linear(4, 2)
        self.log_variance = nn.Parameter(torch.zeros(2))

    def encode(self, images: Tensor, condition: Tensor | None) -> DiagonalGaussian:
        mean = self.posterior_map(images.flatten(1))
        return DiagonalGaussian(mean, self.log_variance.expand_as(mean))

    def decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return (z @ self.weight.T + self.bias).reshape(-1, 1, 2, 2)

    def prior(self, condition: Tensor | None) -> StandardGaussian:
        return StandardGaussian()

    def log_likelihood(self, parameters: Tensor, images: Tensor) -> Tensor:
        return FixedGaussian(VARIANCE).log_prob(parameters, images)

    def exact(self, images: Tensor) -> Tensor:
        covariance = self.weight @ self.weight.T + VARIANCE * torch.eye(4)
        return torch.distributions.MultivariateNormal(self.bias, covariance).log_prob(
            images.flatten(1)
        )

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        z = torch.randn(count, 2, generator=generator)
        noise = torch.randn(count, 1, 2, 2, generator=generator)
        return self.decode(z, None) + math.sqrt(VARIANCE) * noise


def context(step: int = 0, seed: int = 0) -> Context:
    noise = Noise(torch.device("cpu"))
    noise.seed(seed)
    return Context(noise, torch.tensor(step), 1000)


def test_elbo_converges_to_the_exact_log_likelihood() -> None:
    torch.manual_seed(0)
    model, loss = LinearGaussian(), ELBO(ELBOConfig())
    images = Batch(model.draw(512, torch.Generator().manual_seed(1)), None)
    exact = -model.exact(images.images).mean().item()
    before = loss.evaluate(model, images, context())["loss"].mean().item()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for step in range(1500):
        (update,) = loss.updates(model, images, context(step, seed=step))
        optimizer.zero_grad()
        update.loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    many = Batch(images.images.repeat(50, 1, 1, 1), None)
    after = loss.evaluate(model, many, context(seed=7))["loss"].mean().item()
    assert before > exact + 1, "an untrained posterior leaves a gap"
    assert after == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("samples", [1, 10, 1000])
def test_iwae_closes_the_gap_that_an_untrained_posterior_leaves(samples: int) -> None:
    torch.manual_seed(0)
    model = LinearGaussian()
    images = Batch(model.draw(128, torch.Generator().manual_seed(1)), None)
    exact = -model.exact(images.images).mean().item()
    terms = IWAE(IWAEConfig(samples=samples)).evaluate(model, images, context())
    gap = terms["loss"].mean().item() - exact
    assert gap > {1: 1.0, 10: 0.1, 1000: -0.05}[samples]
    assert gap < {1: 9.0, 10: 1.0, 1000: 0.05}[samples]
    assert (terms["loss"] <= terms["elbo_loss"] + 1e-4).all(), "Jensen's inequality"


def test_iwae_of_one_sample_is_the_elbo_with_the_kl_drawn() -> None:
    model = LinearGaussian()
    images = Batch(model.draw(20_000, torch.Generator().manual_seed(1)), None)
    first = IWAE(IWAEConfig(samples=1)).evaluate(model, images, context())
    second = ELBO(ELBOConfig()).evaluate(model, images, context())
    assert torch.equal(first["loss"], first["elbo_loss"])
    difference = first["loss"] - second["loss"]
    error = 4 * difference.std().item() / math.sqrt(20_000)
    assert difference.mean().item() == pytest.approx(0, abs=error)


def test_iwae_keeps_images_codes_and_conditions_together() -> None:
    for kind in ("classes", "attributes"):
        settings = settle("cvae", "embedding", "iwae", samples=3, prior="learned")
        model, loss = built(settings, data_spec(kind))
        assert model.condition is not None
        condition = torch.from_numpy(model.condition.examples()[[0, 1, 1]])
        batch = Batch(torch.rand(3, 1, 8, 8), condition)
        together = loss.evaluate(model, batch, context())["elbo_loss"]
        assert together.shape == (3,)
        (update,) = loss.updates(model, batch, context())
        assert torch.allclose(update.loss, loss.evaluate(model, batch, context())["loss"].mean())


class Drawn(Noise):
    """Noise that was drawn before, so that blocks of samples have the codes that one would."""

    def __init__(self, drawn: Tensor) -> None:
        self.drawn, self.draws = drawn, 0

    def normal(self, *shape: int) -> Tensor:
        first, self.drawn = self.drawn[: shape[0]], self.drawn[shape[0] :]
        self.draws += 1
        return first


class Largest(TorchDispatchMode):
    """Notes the number of values of the largest tensor that is computed."""

    found = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for item in made if isinstance(made, tuple | list) else (made,):
            if isinstance(item, Tensor):
                # A view is as large as what it shows.
                size = item.untyped_storage().nbytes() // item.element_size()
                self.found = max(self.found, size)
        return made


def trained_on(samples: int) -> tuple[dict[str, Tensor], list[Tensor], int, Drawn]:
    """Return the terms and the gradients of so many samples, the largest tensor, and the noise."""
    torch.manual_seed(0)
    model = LinearGaussian()
    batch = Batch(model.draw(8, torch.Generator().manual_seed(1)), None)
    noise = Drawn(torch.randn(samples * 8, 2, generator=torch.Generator().manual_seed(2)))
    loss = IWAE(IWAEConfig(samples=samples))
    given = Context(noise, torch.tensor(0), 1000)
    with Largest() as largest:
        (update,) = loss.updates(model, batch, given)
        update.loss.backward()  # type: ignore[no-untyped-call]
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    return {"loss": update.loss.detach(), **update.terms}, gradients, largest.found, noise  # type: ignore[dict-item]


def test_many_samples_are_computed_in_blocks_and_give_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, whole_gradients, large, once = trained_on(1000)
    monkeypatch.setattr(iwae, "VALUES", 8 * iwae.WIDTH * 30)  # 30 samples of 8 small images
    terms, gradients, small, often = trained_on(1000)
    assert (once.draws, often.draws) == (1, math.ceil(1000 / 30))
    assert len(gradients) == len(whole_gradients) == 3
    for found, expected in zip(gradients, whole_gradients, strict=True):
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-6)
    for name, value in terms.items():
        assert torch.allclose(value, whole[name], rtol=1e-5)
    assert large >= 1000 * 8 * 4, "the images of all samples"
    assert small == 1000 * 8 * 2, "the noise that was drawn before"
    few, _, smallest, _ = trained_on(60)
    assert smallest < 2_000, "no tensor is as large as those of one block, and 960 values of images"
    assert few.keys() == terms.keys()


def test_few_samples_are_one_block_however_large_the_images() -> None:
    images = torch.rand(4, 3, 2048, 2048, dtype=torch.float32)
    model = LinearGaussian()
    model.encode = lambda images, condition: DiagonalGaussian(torch.zeros(4, 2), torch.zeros(4, 2))  # type: ignore[method-assign]
    noise = Drawn(torch.randn(32, 2))
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr(iwae, "_block_log_weights", lambda *args: torch.zeros(8, 4))
        IWAE(IWAEConfig(samples=8)).evaluate(
            model, Batch(images, None), Context(noise, torch.tensor(0), 1)
        )
    assert noise.draws == 1


def elbo_terms(config: ELBOConfig, step: int = 0) -> tuple[Update, Tensor, Tensor]:
    """Return the update, and the reconstruction and KL of every image and dimension."""
    torch.manual_seed(0)
    model = LinearGaussian()
    batch = Batch(model.draw(64, torch.Generator().manual_seed(1)), None)
    (update,) = ELBO(config).updates(model, batch, context(step))
    posterior = model.encode(batch.images, None)
    z = posterior.transform(context().noise.normal(64, 2))
    reconstruction = -model.log_likelihood(model.decode(z, None), batch.images)
    return update, reconstruction, StandardGaussian().divergence(posterior)


def test_free_bits_count_a_dimension_as_no_less_than_these() -> None:
    update, reconstruction, divergence = elbo_terms(ELBOConfig(free_bits=0.125, beta=0.5))
    counted = sum(max(0.125, value) for value in divergence.mean(0).tolist())
    assert min(divergence.mean(0).tolist()) < 0.125 < max(divergence.mean(0).tolist())
    expected = reconstruction.mean().item() + 0.5 * counted
    assert update.loss.item() == pytest.approx(expected, rel=1e-5)
    assert update.terms["kl"].item() == pytest.approx(divergence.sum(1).mean().item(), rel=1e-5)


@pytest.mark.parametrize(("step", "share"), [(0, 0.0), (25, 0.25), (100, 1.0), (900, 1.0)])
def test_the_kl_term_warms_up_linearly(step: int, share: float) -> None:
    config = ELBOConfig(kl_warmup_steps=100, beta=2.0)
    update, reconstruction, divergence = elbo_terms(config, step)
    expected = reconstruction.mean() + 2 * share * divergence.sum(1).mean()
    assert update.loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_on_held_out_images_beta_is_whole_and_no_bits_are_free() -> None:
    torch.manual_seed(0)
    model = LinearGaussian()
    batch = Batch(model.draw(64, torch.Generator().manual_seed(1)), None)
    plain = ELBO(ELBOConfig(beta=2)).evaluate(model, batch, context())
    other = ELBO(ELBOConfig(beta=2, free_bits=9, kl_warmup_steps=99))
    assert torch.equal(plain["loss"], other.evaluate(model, batch, context())["loss"])


def test_a_warm_up_longer_than_the_training_is_refused() -> None:
    settings: Settings = settle("vae", kl_warmup_steps=500, epochs=2, batch_size=16)
    data = dataset("none")
    model, loss = built(settings, data.spec)
    with pytest.raises(InvalidValue, match="kl_warmup_steps=500 is more than the training's 8"):
        Trainer(model, loss, data, settings.train, torch.device("cpu"))


def test_kl_between_two_gaussians_is_torchs() -> None:
    torch.manual_seed(0)
    first, second = (DiagonalGaussian(torch.randn(5, 3), torch.randn(5, 3)) for _ in range(2))
    kl = torch.distributions.kl_divergence(
        *(
            torch.distributions.Normal(item.mean, torch.exp(0.5 * item.log_variance))
            for item in (first, second)
        )
    )
    assert torch.allclose(second.divergence(first), kl, atol=1e-5)


@pytest.mark.parametrize("kind", ["classes", "attributes", "continuous"])
def test_a_learned_prior_starts_standard_and_learns_to_depend_on_the_condition(kind: str) -> None:
    options: dict[str, Any] = {"prior": "learned", "hidden_dims": (12,), "batch_size": 16}
    settings = settle("cvae", "embedding", **options, learning_rate=0.01)
    model, _ = built(settings, data_spec(kind))
    assert model.condition is not None
    examples = torch.from_numpy(model.condition.examples())
    first = model.prior(examples)
    assert not first.mean.any()
    assert not first.log_variance.any()
    assert set(model.networks()) == {"encoder", "decoder", "prior"}
    learned = trained(settings, dataset(kind), steps=8).prior(examples)
    assert not torch.allclose(learned.mean[0], learned.mean[1])


def test_sampling_goes_through_a_learned_prior() -> None:
    settings = settle("cvae", "embedding", prior="learned", hidden_dims=(12,), batch_size=16)
    model = trained(settings, dataset("classes"), steps=8)
    noise, labels = torch.randn(3, 16), torch.tensor([0, 1, 2])
    z = model.prior(labels).transform(noise)
    expected = model.expected_image(model.decode(z, labels))
    assert torch.equal(model.sample(noise, labels), expected)
    assert not torch.allclose(z, noise)
    assert list(model.exports()) == ["sampler", "decoder", "encoder"]
