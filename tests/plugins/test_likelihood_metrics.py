"""`likelihood` and `latent-use` against the exact figures of a linear-Gaussian model."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from worlds import dataset, settle, trained

from gtk.core.contracts.loss import Context
from gtk.core.contracts.metric import JudgedImages
from gtk.core.contracts.noise import Noise
from gtk.core.registry.spec import NoConfig
from gtk.core.training.evaluation import evaluate
from gtk.core.training.store import ImageStore
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue, PluginError, WorkFailed
from gtk.core.values.figure import Figure
from gtk.plugins.families.gaussian import DiagonalGaussian, StandardGaussian
from gtk.plugins.families.importance_weights import weight_terms
from gtk.plugins.families.latent_variable import LatentVariableModel
from gtk.plugins.losses import ELBOConfig
from gtk.plugins.losses.elbo import ELBO
from gtk.plugins.metrics import LikelihoodConfig, likelihood_bounds
from gtk.plugins.metrics.latent_use import LatentUse
from gtk.plugins.metrics.latent_variable_metric import LatentVariableMetric
from gtk.plugins.metrics.likelihood_bounds import Likelihood
from gtk.plugins.vae.likelihood import FixedGaussian

CPU = torch.device("cpu")
SPEC = DataSpec("toy", 1, 2, 2, None)
VARIANCE = 0.01
#: The last dimension of the code changes no pixel.
SCALES = torch.tensor([0.1, 0.2, 0.0])


class LinearGaussian(nn.Module):
    """p(z) = N(0, I), p(x | z) = N(Wz + b, VARIANCE): log p(x) and p(z | x) are known.

    W has orthogonal columns, so the exact posterior has a diagonal covariance. The model's own has
    a mean that is `shift` off, and a variance that is exp(`stretch`) times as large.
    """

    def __init__(self, shift: float = 0.0, stretch: float = 0.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        basis, _ = torch.linalg.qr(torch.randn(4, 3, generator=generator))
        self.weight = nn.Parameter(basis * SCALES)
        self.bias = nn.Parameter(torch.tensor([0.4, 0.5, 0.6, 0.5]))
        self.shift, self.stretch = shift, stretch
        self.largest, self.modes = 0, set[bool]()

    def encode(self, images: Tensor, condition: Tensor | None) -> DiagonalGaussian:
        self.modes.add(self.training)
        variance = 1 / (1 + SCALES.square() / VARIANCE)
        mean = variance * ((images.flatten(1) - self.bias) @ self.weight) / VARIANCE
        log_variance = (variance.log() + self.stretch).expand_as(mean)
        return DiagonalGaussian(mean + self.shift, log_variance)

    def decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        self.largest = max(self.largest, len(z))
        return (z @ self.weight.T + self.bias).reshape(-1, 1, 2, 2)

    def prior(self, condition: Tensor | None) -> StandardGaussian:
        return StandardGaussian()

    def log_likelihood(self, parameters: Tensor, images: Tensor) -> Tensor:
        return FixedGaussian(VARIANCE).log_prob(parameters, images)

    def expected_image(self, parameters: Tensor) -> Tensor:
        return parameters

    def exact(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return log p of images, (N,)."""
        weight, bias = self.weight.detach().double(), self.bias.detach().double()
        covariance = weight @ weight.T + VARIANCE * torch.eye(4, dtype=torch.float64)
        log_p: Any = torch.distributions.MultivariateNormal(bias, covariance)
        found: NDArray[np.float64] = log_p.log_prob(scaled(images).double().flatten(1)).numpy()
        return found

    def gap(self) -> float:
        """Return KL(posterior || exact posterior), the same for each image."""
        exact = 1 / (1 + SCALES.square() / VARIANCE)
        squared = self.shift**2 / exact
        per_dimension = math.exp(self.stretch) - self.stretch + squared - 1
        return 0.5 * float(per_dimension.sum())


def scaled(images: NDArray[np.uint8]) -> Tensor:
    """Return images as a model takes them."""
    return torch.from_numpy(images).float() / 255


def toy_images(count: int) -> NDArray[np.uint8]:
    """Draw images of the model's own distribution, rounded to levels."""
    generator, model = torch.Generator().manual_seed(1), LinearGaussian()
    z = torch.randn(count, 3, generator=generator)
    noise = torch.randn(count, 1, 2, 2, generator=generator)
    with torch.no_grad():
        drawn = model.decode(z, None) + math.sqrt(VARIANCE) * noise
    levels: NDArray[np.uint8] = (drawn.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return levels


def given(
    metric: LatentVariableMetric,
    model: Any,
    images: NDArray[np.uint8],
    condition: NDArray[Any] | None = None,
    sizes: Sequence[int] = (),
) -> dict[str, Figure]:
    """Return the figures of images in updates of these sizes, the last of all others."""
    metric.model = model.eval()
    ends = [*np.cumsum(sizes, dtype=int).tolist(), len(images)]
    for start, end in zip([0, *ends], ends, strict=False):
        rows = None if condition is None else condition[start:end]
        metric.update(JudgedImages(images[start:end], rows, "test"))
    return {
        name: value if isinstance(value, Figure) else Figure(value)
        for name, value in metric.compute().items()
    }


def likelihoods(model: Any, images: NDArray[np.uint8], k: int, **more: Any) -> dict[str, Figure]:
    """Return the figures of all images with k samples."""
    return given(Likelihood(LikelihoodConfig(samples=k, images=0), SPEC), model, images, **more)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> int:
    """Have blocks of 64 codes."""
    monkeypatch.setattr("gtk.plugins.metrics.latent_variable_metric.VALUES", 64 * 1024)
    return 64


@pytest.mark.parametrize("k", [1, 7, 300])
@pytest.mark.usefixtures("small_blocks")
def test_with_the_exact_posterior_each_bound_is_the_likelihood(k: int) -> None:
    model, images = LinearGaussian(), toy_images(50)
    assert isinstance(model, LatentVariableModel)
    figures, log_p = likelihoods(model, images, k), model.exact(images)
    error = 1.96 * log_p.std(ddof=1) / math.sqrt(50)
    for name, sign in (("elbo", 1), ("nll", -1)):
        figure = figures[name]
        assert figure.value == pytest.approx(sign * log_p.mean(), abs=1e-4)
        assert figure.low == pytest.approx(figure.value - error, abs=1e-4)
        assert figure.high == pytest.approx(figure.value + error, abs=1e-4)
    bits = -log_p.mean() / math.log(2) / 4
    assert figures["bits_per_dim"].value == pytest.approx(bits, abs=1e-4)


def test_the_bound_falls_to_the_likelihood_as_samples_grow() -> None:
    model, images = LinearGaussian(shift=0.3, stretch=0.7), toy_images(60)
    exact = -model.exact(images).mean()
    found = [likelihoods(model, images, k) for k in (1, 3, 10, 5000)]
    bounds = [figures["nll"].value for figures in found]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] > exact + 0.5
    assert bounds[-1] == pytest.approx(exact, abs=0.01)
    assert found[0]["elbo"].value == pytest.approx(-bounds[0], abs=1e-12), "k = 1 is the ELBO"
    for figures in found[1:]:
        assert figures["elbo"].value < -figures["nll"].value
    gap = -exact - found[-1]["elbo"].value
    assert gap == pytest.approx(model.gap(), rel=0.01), "the ELBO's gap is a KL, for any k"


def test_the_elbo_is_the_reconstruction_less_the_kl() -> None:
    model, images = LinearGaussian(shift=0.3, stretch=0.7), toy_images(40)
    figures = likelihoods(model, images, 2000)
    difference = figures["reconstruction"].value - figures["kl"].value
    assert figures["elbo"].value == pytest.approx(difference, abs=1e-12)
    with torch.no_grad():
        encoded = model.encode(scaled(images), None)
        expected = model.log_likelihood(model.decode(encoded.mean, None), scaled(images))
        spread = 0.5 * (encoded.log_variance.exp() @ SCALES.square()) / VARIANCE
        divergence = StandardGaussian().divergence(encoded).sum(1).mean().item()
    reconstruction = (expected - spread).mean().item()
    assert figures["reconstruction"].value == pytest.approx(reconstruction, abs=0.05)
    assert figures["kl"].value == pytest.approx(divergence, abs=0.05)
    used = given(LatentUse(NoConfig(), SPEC), model, images)
    assert used["kl"].value == pytest.approx(divergence, rel=1e-6), "in closed form"


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("k", [1, 5, 150])
def test_how_images_are_batched_changes_no_figure(k: int) -> None:
    model, images = LinearGaussian(shift=0.3, stretch=0.7), toy_images(70)
    for first, second in (
        (likelihoods(model, images, k), likelihoods(model, images, k, sizes=[1, 9, 0, 33])),
        *(
            [given(LatentUse(NoConfig(), SPEC), model, images, sizes=[*sizes]) for sizes in pair]
            for pair in [((), (1, 9, 0, 33))]
        ),
    ):
        for name, figure in first.items():
            for end in ("value", "low", "high"):
                expected, found = getattr(figure, end), getattr(second[name], end)
                assert found == (None if expected is None else pytest.approx(expected, rel=1e-6))


def test_memory_is_bounded_and_blocks_give_the_bound_of_all_weights(
    small_blocks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights: list[Tensor] = []

    def noted(*args: Any) -> tuple[Tensor, Tensor, Tensor]:
        log_likelihood, log_prior, log_posterior = weight_terms(*args)
        weights.append((log_likelihood + log_prior - log_posterior).double())
        return log_likelihood, log_prior, log_posterior

    monkeypatch.setattr(likelihood_bounds, "weight_terms", noted)
    model, images = LinearGaussian(shift=0.3, stretch=0.7), toy_images(3)
    figures = likelihoods(model, images, 1000)
    assert model.largest == small_blocks
    assert len(weights) == 3 * math.ceil(1000 / small_blocks)
    of_images = torch.cat(weights).reshape(3, 1000)
    bound = math.log(1000) - torch.logsumexp(of_images, 1).mean()
    assert figures["nll"].value == pytest.approx(bound.item(), abs=1e-5)
    assert figures["elbo"].value == pytest.approx(of_images.mean().item(), abs=1e-5)
    assert len(set(of_images.flatten().tolist())) > 2900, "every code has its own noise"
    model.largest = 0
    likelihoods(model, toy_images(100), 5)
    assert model.largest == 60, "as many images as fit into a block with all their codes"


def test_only_the_first_images_are_judged() -> None:
    model, images = LinearGaussian(shift=0.3), toy_images(50)
    metric = Likelihood(LikelihoodConfig(samples=3, images=20), SPEC)
    figures = given(metric, model, images, sizes=[15, 15])
    assert figures == likelihoods(model, images[:20], 3, sizes=[15])
    assert metric.protocol() == {
        "samples": 3, "images": 20, "pixels": "level / 255", "binarization": "none",
        "dequantization": "none", "condition": None, "likelihood": "LinearGaussian",
    }  # fmt: skip
    more = Likelihood(LikelihoodConfig(samples=3, images=500), SPEC)
    given(more, model, images)
    assert more.protocol()["images"] == 50


def test_one_image_has_a_likelihood_without_an_interval() -> None:
    figures = likelihoods(LinearGaussian(), toy_images(1), 3)
    assert all(figure.low is figure.high is None for figure in figures.values())


@pytest.mark.parametrize("kind", ["none", "classes", "attributes", "continuous"])
def test_a_model_is_judged_as_its_training_evaluates_it_and_left_as_it_is(kind: str) -> None:
    name, conditioner = ("vae", None) if kind == "none" else ("cvae", "embedding")
    options: dict[str, Any] = {"prior": "standard" if kind == "none" else "learned"}
    options |= {"normalization": "batch", "batch_size": 16, "learning_rate": 0.01}
    data = dataset(kind)
    model: Any = trained(settle(name, conditioner, **options), data, steps=30)
    model.zero_grad()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    drawn = torch.get_rng_state()
    metrics = (
        LatentUse(NoConfig(), data.spec),
        Likelihood(LikelihoodConfig(samples=500, images=0), data.spec),
    )
    used, found = (given(item, model, data.test.images, data.test.labels) for item in metrics)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(module.training for module in model.modules())
    assert all(weight.grad is None for weight in model.parameters())

    store = ImageStore(data.test, conditional=data.spec.condition is not None, device=CPU)
    context = Context(Noise(CPU), torch.tensor(0), 1)
    terms = evaluate(model, ELBO(ELBOConfig()), store, context, seed=0)
    assert used["kl"].value == pytest.approx(terms["kl"], rel=1e-5)
    assert found["kl"].value == pytest.approx(terms["kl"], rel=0.1)
    assert found["reconstruction"].value == pytest.approx(-terms["reconstruction"], rel=0.02)


def test_the_model_is_called_in_eval_mode_without_gradients() -> None:
    model, images = LinearGaussian(), toy_images(9)
    images.setflags(write=False)  # as of a file that is mapped into memory
    likelihoods(model, images, 2)
    assert model.modes == {False}
    assert torch.is_grad_enabled()


def test_dead_dimensions_are_neither_active_nor_used() -> None:
    model, images = LinearGaussian(), toy_images(400)
    metric = LatentUse(NoConfig(), SPEC)
    figures = given(metric, model, images)
    assert figures["active_units"].value == figures["used_dimensions"].value == 2
    details = metric.details()
    assert details["dimension"] == [1, 0, 2], "the most active first"
    with torch.no_grad():
        encoded = model.encode(scaled(images), None)
    order = torch.tensor(details["dimension"])
    variance = encoded.mean.var(0)[order].tolist()
    assert details["variance of mean by dimension"] == pytest.approx(variance, rel=1e-4, abs=1e-9)
    divergence = StandardGaussian().divergence(encoded).mean(0)[order].tolist()
    assert details["kl by dimension"] == pytest.approx(divergence, rel=1e-4, abs=1e-6)
    assert sum(details["kl by dimension"]) == pytest.approx(figures["kl"].value)
    assert metric.protocol()["images"] == 400


def test_a_constant_far_from_the_prior_is_used_but_not_active() -> None:
    model = LinearGaussian(shift=3000.0)
    figures = given(LatentUse(NoConfig(), SPEC), model, toy_images(100))
    assert figures["active_units"].value == 2
    assert figures["used_dimensions"].value == 3


def test_too_few_images_are_refused() -> None:
    for metric in (Likelihood(LikelihoodConfig(), SPEC), LatentUse(NoConfig(), SPEC)):
        with pytest.raises(InvalidValue, match="needs at least"):
            metric.compute()
    with pytest.raises(InvalidValue, match="at least two test images, not 1"):
        given(LatentUse(NoConfig(), SPEC), LinearGaussian(), toy_images(1))


@pytest.mark.parametrize("name", ["bias", "weight"])
def test_a_model_that_diverged_is_refused(name: str) -> None:
    model = LinearGaussian()
    getattr(model, name).data.fill_(math.nan)
    for metric in (Likelihood(LikelihoodConfig(), SPEC), LatentUse(NoConfig(), SPEC)):
        with pytest.raises(WorkFailed, match="posteriors that are not finite: check whether the"):
            given(metric, model, toy_images(3))


def test_likelihoods_that_are_not_finite_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = LinearGaussian()
    monkeypatch.setattr(model, "log_likelihood", lambda *_: torch.full((150,), -math.inf))
    with pytest.raises(WorkFailed, match="likelihoods that are not finite"):
        given(Likelihood(LikelihoodConfig(), SPEC), model, toy_images(3))


def test_what_a_model_returns_has_a_row_for_each_image(monkeypatch: pytest.MonkeyPatch) -> None:
    model = LinearGaussian()
    monkeypatch.setattr(model, "log_likelihood", lambda *_: torch.tensor(0.0))
    with pytest.raises(PluginError, match="return one number for each"):
        given(Likelihood(LikelihoodConfig(), SPEC), model, toy_images(3))
    latent_map = DiagonalGaussian(torch.zeros(3, 8, 2, 2), torch.zeros(3, 8, 2, 2))
    monkeypatch.setattr(model, "encode", lambda *_: latent_map)
    for metric in (Likelihood(LikelihoodConfig(), SPEC), LatentUse(NoConfig(), SPEC)):
        with pytest.raises(PluginError, match=r"shape \(3, 8, 2, 2\) for 3 images: return one"):
            given(metric, model, toy_images(3))
