"""Adam for every part: its decays, the rate of the step, and the longest gradient."""

from typing import Any

import pytest
import torch
import toys

from gtk.core.registry.train_config import TrainConfig
from gtk.core.training.optimizer import Optimizers


def optimizers(**config: Any) -> tuple[toys.TwoParts, Optimizers]:
    model = toys.model()
    return model, Optimizers(model, TrainConfig(**config))


def gradient(model: toys.TwoParts) -> torch.Tensor:
    """Return the first part's gradient as one vector."""
    return torch.cat([item.grad.flatten() for item in model.first.parameters()])  # type: ignore[union-attr]


def loss(model: toys.TwoParts, factor: float = 1.0) -> torch.Tensor:
    return factor * sum(item.square().sum() for item in model.first.parameters())  # type: ignore[return-value]


def test_a_long_gradient_is_shortened_and_keeps_its_direction() -> None:
    free, clipped = (optimizers(clip_norm=norm) for norm in (0.0, 0.25))
    for model, optimizer in (free, clipped):
        optimizer.step("first", loss(model))
    long, short = gradient(free[0]), gradient(clipped[0])
    assert long.norm() > 1
    assert short.norm().item() == pytest.approx(0.25, rel=1e-4)
    assert torch.allclose(short / short.norm(), long / long.norm(), atol=1e-6)


def test_a_short_gradient_is_left_as_it_is() -> None:
    free, clipped = (optimizers(clip_norm=norm) for norm in (0.0, 0.25))
    for model, optimizer in (free, clipped):
        optimizer.step("first", loss(model, 1e-3))
    assert 0 < gradient(free[0]).norm() < 0.25
    assert torch.equal(gradient(free[0]), gradient(clipped[0]))
    assert torch.equal(free[0].first.weight, clipped[0].first.weight)


def test_only_the_part_that_steps_is_measured() -> None:
    model, optimizer = optimizers(clip_norm=0.25)
    optimizer.step("second", model.second[1].bias.sum() * 100)
    assert model.first.weight.grad is None
    assert model.second[1].bias.grad.norm().item() == pytest.approx(0.25, rel=1e-4)  # type: ignore[operator]


def test_adam_has_the_decays_it_is_given() -> None:
    model, optimizer = optimizers(adam_beta1=0.5, adam_beta2=0.9)
    expected = toys.model()
    adam = torch.optim.Adam(expected.first.parameters(), lr=1e-3, betas=(0.5, 0.9))
    for factor in (1.0, -3.0, 0.1):
        optimizer.step("first", loss(model, factor))
        adam.zero_grad()
        loss(expected, factor).backward()
        adam.step()
    assert torch.allclose(model.first.weight, expected.first.weight, atol=1e-7)
    usual, other = optimizers()
    for factor in (1.0, -3.0, 0.1):
        other.step("first", loss(usual, factor))
    assert not torch.allclose(model.first.weight, usual.first.weight, atol=1e-5)


@pytest.mark.parametrize("part", ["first", "second"])
def test_every_part_steps_with_the_rate_of_the_step(part: str) -> None:
    model, optimizer = optimizers(learning_rate=0.5)
    before = {name: value.clone() for name, value in model.named_parameters()}
    optimizer.set_learning_rate(0.01)
    optimizer.step(part, sum(item.sum() for item in model.parameters()))  # type: ignore[arg-type]
    for name, value in model.named_parameters():
        moved = 0.01 if name.startswith(part) else 0.0
        # Adam's first step moves every weight by the rate.
        assert torch.allclose(before[name] - value, torch.tensor(moved), atol=1e-6)
