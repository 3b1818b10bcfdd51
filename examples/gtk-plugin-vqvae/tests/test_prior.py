"""The prior is a distribution over codes, and drawing draws from it."""

from itertools import product

import pytest
import torch
from conftest import CONDITIONS
from gtk_plugin_vqvae.prior import gumbel_noise


def conditions(kind: str, count: int) -> torch.Tensor | None:
    """Return a condition for each of `count` images, all the same."""
    values = CONDITIONS[kind][1]
    return None if values is None else torch.tensor([values[0]] * count)


@pytest.mark.parametrize("kind", CONDITIONS)
def test_probabilities_of_all_codes_add_up_to_one(make, kind) -> None:
    prior = make(CONDITIONS[kind][0], codes=3, halvings=2).prior.eval()  # 2x2 codes of 3: 81 ways
    ways = torch.tensor(list(product(range(3), repeat=4))).reshape(-1, 2, 2)
    total = (-prior.nats(ways, conditions(kind, 81))).exp().sum()
    torch.testing.assert_close(total, torch.tensor(1.0))


def test_a_code_knows_only_those_before_it(make) -> None:
    prior = make(codes=5).prior.eval()
    codes = torch.randint(5, (1, 4, 4))
    before = prior.logits(codes, None)
    for index in range(16):
        other = codes.flatten(1).clone()
        other[0, index] = (other[0, index] + 1) % 5
        changed = (prior.logits(other.reshape(1, 4, 4), None) != before).any(2)[0]
        assert not changed[: index + 1].any()
        assert changed[index + 1 : index + 2].all()


def test_the_code_above_is_seen(make) -> None:
    prior = make(codes=5).prior.eval()
    with torch.no_grad():
        prior.left.weight.zero_()
        prior.recurrent.weight_hh_l0.zero_()  # nothing remembered: only left and above are left
        prior.recurrent.weight_ih_l0[8:16] = 0  # nor carried over by the update gate
        prior.recurrent.bias_ih_l0[8:16] = -100
    codes = torch.randint(5, (1, 4, 4))
    other = codes.clone()
    other[0, 1, 2] = (codes[0, 1, 2] + 1) % 5
    changed = (prior.logits(codes, None) != prior.logits(other, None)).any(2)[0]
    assert changed.nonzero().flatten().tolist() == [10]  # the one below


def test_normal_noise_becomes_gumbel_noise() -> None:
    gumbel = gumbel_noise(torch.randn(200_000, 2))
    for point in (-1.0, 0.0, 1.0, 3.0, 6.0):
        expected = torch.exp(-torch.exp(torch.tensor(-point)))  # the distribution function
        found = (gumbel <= point).double().mean()
        assert abs(found - expected) < 4 * (expected * (1 - expected) / 200_000).sqrt()
    assert torch.isfinite(gumbel_noise(torch.zeros(1, 2))).all()


@pytest.mark.parametrize("kind", ["classes", "none"])
def test_codes_are_drawn_as_often_as_the_prior_says(make, kind) -> None:
    prior = make(CONDITIONS[kind][0], codes=3, halvings=2).prior.eval()
    with torch.no_grad():
        prior.head.weight.mul_(4)  # far from all alike
        ways = torch.tensor(list(product(range(3), repeat=4))).reshape(-1, 2, 2)
        expected = (-prior.nats(ways, conditions(kind, 81))).exp()
        count = 40_000
        codes, _ = prior.draw(gumbel_noise(torch.randn(count, 4, 3, 2)), conditions(kind, count))
    numbers = (codes.flatten(1) * torch.tensor([27, 9, 3, 1])).sum(1)
    found = torch.bincount(numbers, minlength=81) / count
    assert expected.max() > 3 * expected.min()
    assert ((found - expected).abs() < 5 * (expected / count).sqrt()).all()


def test_what_is_drawn_is_the_largest_of_the_prior_s_own_logits(make) -> None:
    model = make(codes=5)
    prior = model.prior.eval()
    gumbel = gumbel_noise(torch.randn(6, 16, 5, 2))
    codes, sums = prior.draw(gumbel, None)
    assert torch.equal(codes.flatten(1), sums.argmax(2))
    torch.testing.assert_close(sums - gumbel, prior.logits(codes, None), rtol=1e-4, atol=1e-5)


def test_samples_are_a_pure_function_of_noise_and_condition(make) -> None:
    model = make(CONDITIONS["classes"][0]).eval()
    noise, labels = torch.randn(8, *model.noise.shape), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    images = model.sample(noise, labels)
    assert torch.equal(images, model.sample(noise, labels))
    torch.testing.assert_close(images[3:5], model.sample(noise[3:5], labels[3:5]))
    assert not torch.equal(images, model.sample(noise.flip(0), labels))
    assert not torch.equal(images, model.sample(noise, labels.flip(0)))
