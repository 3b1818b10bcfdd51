"""Binary pixels that are drawn from an image's levels, and the bounds of a model of these."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Loss
from gtk.core.contracts.metric import JudgedImages
from gtk.core.contracts.noise import Noise
from gtk.core.registry.spec import NoConfig
from gtk.core.values.dataset import DataSpec
from gtk.plugins.families.gaussian import DiagonalGaussian, StandardGaussian
from gtk.plugins.families.observation import binarized, binarizes, observed
from gtk.plugins.losses import ELBOConfig, IWAEConfig
from gtk.plugins.losses.elbo import ELBO
from gtk.plugins.losses.iwae import IWAE
from gtk.plugins.metrics import LikelihoodConfig
from gtk.plugins.metrics.latent_use import LatentUse
from gtk.plugins.metrics.likelihood_bounds import Likelihood
from gtk.plugins.vae.bernoulli import Bernoulli

CPU = torch.device("cpu")
SPEC = DataSpec("toy", 1, 2, 2, None)
LEVELS = np.array([0, 60, 180, 255], np.uint8)


class BinaryModel(nn.Module):
    """p(z) = N(0, 1), p(x | z) = Bernoulli(sigmoid(W z + b)): log p(x) is an integral over z."""

    def __init__(self, *, binarizes: bool = True) -> None:
        super().__init__()
        self.binarizes = binarizes
        self.weight = nn.Parameter(torch.tensor([[1.0], [-2.0], [1.5], [0.5]]))
        self.bias = nn.Parameter(torch.tensor([-1.0, 0.3, 0.6, 2.0]))
        self.seen: list[Tensor] = []

    def encode(self, images: Tensor, condition: Tensor | None) -> DiagonalGaussian:
        self.seen.append(images)
        mean = (images.flatten(1) @ self.weight) * 0.3
        return DiagonalGaussian(mean, torch.full_like(mean, -0.5))

    def decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return (z @ self.weight.T + self.bias).reshape(-1, 1, 2, 2)

    def prior(self, condition: Tensor | None) -> StandardGaussian:
        return StandardGaussian()

    def log_likelihood(self, parameters: Tensor, images: Tensor) -> Tensor:
        return Bernoulli().log_prob(parameters, images)

    def expected_image(self, parameters: Tensor) -> Tensor:
        return parameters.sigmoid()

    def exact(self, levels: Tensor) -> float:
        """Return the mean of -log p(x) over the binary images x of pixels (4,) in 0..1."""
        z = torch.linspace(-9, 9, 4001, dtype=torch.float64)[:, None]
        ones = (z @ self.weight.detach().double().T + self.bias.detach().double()).sigmoid()
        density = torch.exp(-0.5 * z[:, 0].square()) / math.sqrt(2 * math.pi)
        total = 0.0
        for pixels in itertools.product((0.0, 1.0), repeat=4):
            x = torch.tensor(pixels, dtype=torch.float64)
            given = torch.where(x == 1, ones, 1 - ones).prod(1)
            log_p = torch.trapezoid(given * density, z[:, 0]).log().item()
            total -= torch.where(x == 1, levels, 1 - levels).prod().item() * log_p
        return total


def grey(count: int) -> NDArray[np.uint8]:
    """Return as many images of the same levels."""
    return np.tile(LEVELS.reshape(1, 1, 2, 2), (count, 1, 1, 1))


def context(seed: int = 0) -> Context:
    noise = Noise(CPU)
    noise.seed(seed)
    return Context(noise, torch.tensor(0), 1000)


def test_a_binary_pixel_is_1_with_the_probability_of_its_level() -> None:
    images = torch.from_numpy(grey(40_000)).float() / 255
    drawn = observed(BinaryModel(), images, context().noise)
    assert drawn.dtype == torch.float32
    assert set(drawn.flatten().tolist()) == {0.0, 1.0}
    means = drawn.mean(0).flatten()
    error = 4 * math.sqrt(0.25 / 40_000)
    assert torch.allclose(means, images[0].flatten(), atol=error)
    assert (means[0].item(), means[3].item()) == (0, 1), "black and white stay as they are"
    assert binarized(torch.tensor([0.5]), torch.tensor([0.5])).item() == 0


def test_only_a_model_that_binarizes_draws_pixels() -> None:
    images, noise = torch.rand(3, 1, 2, 2), context().noise
    assert not binarizes(BinaryModel(binarizes=False))
    assert observed(BinaryModel(binarizes=False), images, noise) is images
    assert torch.equal(noise.normal(5), context().noise.normal(5)), "it has drawn nothing"


LOSSES: list[Loss[Any]] = [
    ELBO(ELBOConfig()), IWAE(IWAEConfig(samples=1)), IWAE(IWAEConfig(samples=400)),
]  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES[:2], ids=["elbo", "iwae"])
def test_encoder_and_likelihood_get_one_draw_that_each_step_draws_anew(loss: Loss[Any]) -> None:
    class Watched(BinaryModel):
        def log_likelihood(self, parameters: Tensor, images: Tensor) -> Tensor:
            likely.append(images)
            return super().log_likelihood(parameters, images)

    likely: list[Tensor] = []
    model, batch = Watched(), Batch(torch.from_numpy(grey(64)).float() / 255, None)
    for seed in (1, 2, 1):
        list(loss.updates(model, batch, context(seed)))
    for encoded, given in zip(model.seen, likely, strict=True):
        assert torch.equal(encoded, given)
    assert not torch.equal(likely[0], likely[1])
    assert torch.equal(likely[0], likely[2])


def test_the_bound_of_many_samples_is_the_exact_sum_over_binary_images() -> None:
    model, count = BinaryModel(), 4000
    batch = Batch(torch.from_numpy(grey(count)).float() / 255, None)
    exact = model.exact(torch.from_numpy(LEVELS).double() / 255)
    with torch.no_grad():
        elbo, one, many = [loss.evaluate(model, batch, context())["loss"] for loss in LOSSES]
    error = 4 * many.std().item() / math.sqrt(count)
    assert many.mean().item() == pytest.approx(exact, abs=error)
    assert error < 0.05
    assert elbo.mean().item() == pytest.approx(one.mean().item(), abs=0.1)
    assert elbo.mean().item() > many.mean().item()


def judged(model: Any, images: NDArray[np.uint8], *sizes: int, k: int = 200) -> Likelihood:
    metric = Likelihood(LikelihoodConfig(samples=k, images=0), SPEC)
    metric.model = model.eval()
    start = 0
    for size in sizes or (len(images),):
        metric.update(JudgedImages(images[start : start + size], None, "test"))
        start += size
    return metric


def test_the_metric_judges_binary_images_that_its_seed_draws() -> None:
    model, images = BinaryModel(), grey(3000)
    metric = judged(model, images)
    nll, exact = metric.compute()["nll"], model.exact(torch.from_numpy(LEVELS).double() / 255)
    assert nll.low is not None
    assert nll.value == pytest.approx(exact, abs=2 * (nll.value - nll.low))
    assert metric.protocol()["binarization"] == (
        "each pixel 1 with the probability of its level, drawn once by seed 0"
    )
    seen = torch.cat(model.seen)
    assert set(seen.flatten().tolist()) == {0.0, 1.0}
    assert len({*map(tuple, seen.flatten(1).tolist())}) == 4, "each image has a draw of its own"
    again = judged(BinaryModel(), images, 7, 1000, 1993)
    assert again.compute()["nll"].value == pytest.approx(nll.value, abs=1e-6)


def test_other_metrics_of_the_code_see_the_same_binary_images() -> None:
    first, second = BinaryModel(), BinaryModel()
    judged(first, grey(50))
    use = LatentUse(NoConfig(), SPEC)
    use.model = second.eval()
    use.update(JudgedImages(grey(50), None, "test"))
    assert torch.equal(torch.cat(first.seen), torch.cat(second.seen))


def test_a_likelihood_of_levels_is_of_the_images_as_they_are() -> None:
    model = BinaryModel(binarizes=False)
    metric = judged(model, grey(5), k=3)
    assert metric.protocol()["binarization"] == "none"
    assert torch.equal(torch.cat(model.seen), torch.from_numpy(grey(5)).float() / 255)
