"""`aggregate`: codes from a mixture of Gaussians that is fitted to those of the training images."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import gtk
from gtk.core.contracts.sampler import Sampler
from gtk.core.models.sampler_fit import fit
from gtk.core.values.dataset import Split
from gtk.core.values.errors import InvalidValue, WorkFailed
from gtk.plugins.samplers import AggregateConfig, aggregate
from gtk.plugins.samplers.aggregate import Aggregate

CLASSES = gtk.Classes(("a", "b", "c")).with_absent()
#: Levels of the two pixels around which the codes of each class lie, and their shares.
CENTRES = {0: [(20, 20, 0.25), (230, 40, 0.75)], 1: [(120, 220, 1.0)]}


class Codes(nn.Module):
    """The two pixels of an image are the means of its code, which it is decoded to."""

    def __init__(self, condition: gtk.ConditionSpec | None, deviation: float) -> None:
        super().__init__()
        self.noise, self.condition = gtk.NoiseSpec((2,)), condition
        self.log_deviation = nn.Parameter(torch.tensor(deviation).log())

    def encode(self, images: Tensor, condition: Tensor | None) -> gtk.DiagonalGaussian:
        mean = images.flatten(1)
        return gtk.DiagonalGaussian(mean, torch.full_like(mean, 2 * self.log_deviation.item()))

    def decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return z[:, None, None]

    def expected_image(self, parameters: Tensor) -> Tensor:
        return parameters


def images(count: int) -> Split:
    """Return images whose pixels are at the centres, give or take 5 levels, of classes 0 and 1."""
    generator, pixels, labels = np.random.default_rng(7), [], []
    for label, centres in CENTRES.items():
        for *centre, share in centres:
            number = round(count * share)
            pixels.append(generator.normal(centre, 5, (number, 2)).round())
            labels += [label] * number
    levels = np.concatenate(pixels).astype(np.uint8).reshape(-1, 1, 1, 2)
    return Split(levels, np.array(labels))


def fitted(
    split: Split,
    condition: gtk.ConditionSpec | None = CLASSES,
    deviation: float = 1e-3,
    components: int = 2,
) -> Sampler[Any]:
    """Return the sampler, fitted to these images."""
    model: Any = Codes(condition, deviation)
    sampler = Aggregate(AggregateConfig(components=components), model)
    fit(sampler, split, torch.arange(len(split)), 0)
    return sampler


def draw(sampler: Sampler[Any], label: int | None, count: int = 20_000) -> NDArray[np.float64]:
    """Return codes of one class, in levels: (N, 2)."""
    z, choice = (
        torch.from_numpy(it.draw(count, 3 + at)) for at, it in enumerate(sampler.noise.values())
    )
    rows = None if label is None else torch.full((count,), label)
    codes = sampler.module()(z, choice, condition=rows)
    return 255 * codes.detach().double().numpy().reshape(count, 2)


def test_each_class_is_drawn_from_a_mixture_of_its_own() -> None:
    sampler = fitted(images(2_000))
    assert list(sampler.noise) == ["z", "choice"]
    for label, centres in CENTRES.items():
        codes = draw(sampler, label)
        distances = np.stack([np.abs(codes - centre).max(1) for *centre, _ in centres])
        assert distances.min(0).max() < 30, "six deviations: nothing lies between, nor elsewhere"
        for nearest, (*centre, share) in enumerate(centres):
            own = codes[distances.argmin(0) == nearest]
            assert len(own) / len(codes) == pytest.approx(share, abs=0.02)
            assert own.mean(0) == pytest.approx(centre, abs=1)
            assert np.cov(own.T) == pytest.approx(25 * np.eye(2), abs=2.5)


@pytest.mark.parametrize("label", [2, 3], ids=["without an image", "absent"])
def test_a_class_without_images_and_no_class_are_drawn_from_all(label: int) -> None:
    codes = draw(fitted(images(500)), label)
    distances = [np.abs(codes - it[:2]).max(1) for own in CENTRES.values() for it in own]
    assert np.stack(distances).min(0).max() < 30
    shares = np.bincount(np.stack(distances).argmin(0), minlength=3) / len(codes)
    assert shares == pytest.approx([0.125, 0.375, 0.5], abs=0.02)


@pytest.mark.parametrize("condition", [None, gtk.Attributes(("round",))])
def test_other_models_have_one_mixture(condition: gtk.ConditionSpec | None) -> None:
    split = images(500)
    if condition is not None:
        split = Split(split.images, split.labels[:, None].astype(np.float32))
    sampler = fitted(split, condition, components=3)
    assert sampler.fitted["means"].shape == (3, 2)
    shares = np.bincount(np.round(draw(sampler, None)[:, 1] / 100).astype(int)) / 20_000
    assert shares == pytest.approx([0.5, 0, 0.5], abs=0.02)


def test_it_is_fitted_to_the_posteriors_not_to_their_means() -> None:
    """Of few images, too: the variance of one component is that of the means and of each."""
    split = images(40)
    sampler = fitted(split, None, deviation=30 / 255, components=1)
    means = split.images.reshape(-1, 2).astype(float)
    found = np.cov(draw(sampler, None).T) / (np.cov(means.T, bias=True) + 900 * np.eye(2))
    assert np.diag(found) == pytest.approx([1, 1], abs=0.2)


def test_one_image_of_a_class_is_enough() -> None:
    few = images(20)
    one = np.full((1, 1, 1, 2), 77, np.uint8)
    split = Split(np.concatenate([few.images, one]), np.append(few.labels, 2))
    codes = draw(fitted(split, deviation=5 / 255), 2)
    assert codes.mean(0) == pytest.approx([77, 77], abs=1)
    assert codes.std(0) == pytest.approx([5, 5], abs=0.6)


def test_the_choice_stays_within_the_class_out_to_its_ends() -> None:
    sampler = fitted(images(500))
    ends = torch.tensor([[-9.0], [-5.0], [5.0], [9.0]])
    for label, centres in CENTRES.items():
        z, rows = torch.zeros(4, 2), torch.full((4,), label)
        codes = 255 * sampler.module()(z, ends, condition=rows).reshape(4, 2)
        away = [(codes - torch.tensor(it[:2])).abs().amax(1) for it in centres]
        assert torch.stack(away).amin(0).max() < 10


def test_no_more_than_so_many_images_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregate, "MOST_IMAGES", 300)
    model: Any = Codes(None, 1e-3)
    sampler = Aggregate(AggregateConfig(components=3), model)
    taken = fit(sampler, images(2_000), torch.arange(4_000), 0)
    assert taken == 512, "two batches"
    shares = np.bincount(np.round(draw(sampler, None)[:, 1] / 100).astype(int)) / 20_000
    assert shares == pytest.approx([0.5, 0, 0.5], abs=0.1), "of both halves of the images"


def test_codes_that_are_not_finite_are_one_line() -> None:
    with pytest.raises(WorkFailed, match="are not finite: check whether the training diverged"):
        fitted(images(20), None, deviation=float("nan"))


def test_what_does_not_fit_the_model_is_refused() -> None:
    sampler = fitted(images(20), None)
    sampler.fitted = {**sampler.fitted, "means": torch.zeros(7, 2)}
    with pytest.raises(InvalidValue, match=r"'means' is float32 \(7, 2\) instead of"):
        sampler.module()


@pytest.mark.parametrize("components", [0, 101])
def test_components_are_few(components: int) -> None:
    with pytest.raises(ValueError, match=r"within 1\.\.100, not"):
        AggregateConfig(components=components)


def test_codes_that_are_too_large_for_a_mixture_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encode = Codes.encode

    def far(self: Codes, pixels: Tensor, condition: Tensor | None) -> gtk.DiagonalGaussian:
        return encode(self, pixels / 0, condition)

    monkeypatch.setattr(Codes, "encode", far)
    with pytest.raises(WorkFailed, match="check whether the training diverged"):
        fitted(images(40), None, components=10)
