"""An optimizer for every part: torch's own, with its options, rate, longest gradient and state."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import toys
from torch import nn

from gtk.core.registry.train_config import TrainConfig
from gtk.core.training.optimizer import Optimizers
from gtk.core.values.by_part import ByPart
from gtk.core.values.errors import InvalidValue


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


BETAS: dict[str, Any] = {"betas": (0.5, 0.9)}
#: Options of gtk's, and torch's own optimizer with the same, as torch makes it by itself.
TORCHS: list[tuple[dict[str, Any], Callable[..., torch.optim.Optimizer], dict[str, Any]]] = [
    ({"optimizer": "adam", "adam_beta1": 0.5, "adam_beta2": 0.9}, torch.optim.Adam, BETAS),
    ({"optimizer": "adamw", "adam_beta1": 0.5, "adam_beta2": 0.9}, torch.optim.AdamW, BETAS),
    ({"optimizer": "radam", "adam_beta1": 0.5, "adam_beta2": 0.9}, torch.optim.RAdam, BETAS),
    ({"optimizer": "adam", "adam_epsilon": 0.1}, torch.optim.Adam, {"eps": 0.1}),
    ({"optimizer": "adamw", "adam_epsilon": 0.1}, torch.optim.AdamW, {"eps": 0.1}),
    ({"optimizer": "radam", "adam_epsilon": 0.1}, torch.optim.RAdam, {"eps": 0.1}),
    ({"optimizer": "sgd"}, torch.optim.SGD, {}),
    ({"optimizer": "sgd", "momentum": 0.9}, torch.optim.SGD, {"momentum": 0.9}),
    ({"optimizer": "rmsprop"}, torch.optim.RMSprop, {}),
    ({"optimizer": "rmsprop", "momentum": 0.9}, torch.optim.RMSprop, {"momentum": 0.9}),
]
FACTORS = (1.0, -3.0, 0.1, 2.0, 0.5)


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(("options", "make", "own"), TORCHS)
def test_five_steps_are_those_of_torch(
    options: dict[str, Any],
    make: Callable[..., torch.optim.Optimizer],
    own: dict[str, Any],
    decay: float,
) -> None:
    model, optimizer = optimizers(learning_rate=0.01, weight_decay=decay, **options)
    expected = toys.model()
    weight, bias = expected.first.parameters()
    groups = [{"params": weight, "weight_decay": decay}, {"params": bias, "weight_decay": 0.0}]
    torchs = make(groups, lr=0.01, **own)
    for factor in FACTORS:
        optimizer.step("first", loss(model, factor))
        torchs.zero_grad()
        loss(expected, factor).backward()
        torchs.step()
    for found, like in zip(model.first.parameters(), expected.first.parameters(), strict=True):
        assert torch.allclose(found, like, rtol=1e-5, atol=1e-7)
    assert not torch.equal(model.first.weight, toys.model().first.weight)


@pytest.mark.parametrize(
    "options", [*(options for options, _, _ in TORCHS), {"optimizer": "muon"}], ids=str
)
def test_a_restored_optimizer_goes_on_to_the_same_bits(options: dict[str, Any]) -> None:
    options = {**options, "weight_decay": 0.1}
    whole, part = optimizers(**options), optimizers(**options)
    for factor in FACTORS:
        whole[1].step("first", loss(whole[0], factor))
    for factor in FACTORS[:2]:
        part[1].step("first", loss(part[0], factor))
    state = {name: value.clone() for name, value in part[1].state().items()}
    assert (
        bool(state) == part[1].keeps_state == (options != {"optimizer": "sgd", "weight_decay": 0.1})
    )
    model, optimizer = optimizers(**options)
    model.load_state_dict(part[0].state_dict())
    optimizer.restore(state)
    for factor in FACTORS[2:]:
        optimizer.step("first", loss(model, factor))
    assert torch.equal(model.first.weight, whole[0].first.weight)
    assert torch.equal(model.first.bias, whole[0].first.bias)
    assert all(
        torch.equal(value, whole[1].state()[name]) for name, value in optimizer.state().items()
    )


@pytest.mark.parametrize(
    ("optimizer", "key"),
    [("sgd", "momentum_buffer"), ("rmsprop", "square_avg"), ("muon", "momentum_buffer")],
)
def test_another_optimizers_state_is_refused(optimizer: str, key: str) -> None:
    model, adam = optimizers()
    adam.step("first", loss(model))
    names = {
        f"first/first.{name}/{key}"
        for name in ("weight", "bias")
        for key in ("step", "exp_avg", "exp_avg_sq")
    }
    assert adam.state().keys() == names, "checkpoints of every version name Adam's state like this"
    _, other = optimizers(optimizer=optimizer, momentum=0.9)
    with pytest.raises(InvalidValue, match=f"first.*/{key}' is missing"):
        other.restore(adam.state())
    with pytest.raises(InvalidValue, match="'first/first.weight/.*' is unknown"):
        optimizers(optimizer="sgd")[1].restore(adam.state())


def test_restored_moments_have_the_strides_of_their_weights() -> None:
    model = toys.model()
    model.second[1] = nn.Conv2d(3, 5, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = Optimizers(model, TrainConfig())
    optimizer.step("second", model.second[1].weight.square().sum())
    weight = model.second[1].weight
    assert not weight.is_contiguous()
    state = {name: value.contiguous() for name, value in optimizer.state().items()}
    optimizer.restore(state)
    moments = [value for value in optimizer.state().values() if value.ndim == 4]
    assert [moment.stride() for moment in moments] == [weight.stride()] * 2


class Decayed(nn.Module):
    """Parameters with and without weight decay."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.conv = nn.ConvTranspose2d(2, 2, 3)
        self.table = nn.Embedding(4, 4)
        self.layer = nn.LayerNorm((2, 2))
        self.batch = nn.BatchNorm2d(2)
        self.absent = nn.Parameter(torch.ones(4))
        self.code = nn.Parameter(torch.ones(1, 4))


def test_biases_normalizations_and_embeddings_have_no_weight_decay() -> None:
    model = toys.model()
    model.second = Decayed()  # type: ignore[assignment]
    optimizer = Optimizers(
        model, TrainConfig(optimizer="adamw", weight_decay=0.5, learning_rate=0.1)
    )
    before = {name: value.detach().clone() for name, value in model.second.named_parameters()}
    optimizer.step("second", sum(0 * item.sum() for item in model.second.parameters()))  # type: ignore[arg-type]
    changed = {
        name: (value / before[name]).mean().item()
        for name, value in model.second.named_parameters()
        if not torch.equal(value, before[name])
    }
    assert changed == pytest.approx(dict.fromkeys(("code", "linear.weight", "conv.weight"), 0.95))


def test_each_part_has_its_own_numbers() -> None:
    by_part: dict[str, Any] = {
        "optimizer": "adamw",
        "learning_rate": ByPart({"first": 0.1, "second": 0.01}),
        "adam_beta1": ByPart({"first": 0.0, "second": 0.5}),
        "weight_decay": ByPart({"first": 0.5, "second": 0.0}),
    }
    _, optimizer = optimizers(**by_part)
    assert optimizer.rates == {"first": 0.1, "second": 0.01}
    groups = {part: own[0].param_groups for part, own in optimizer._optimizers.items()}
    assert [(it["betas"], it["weight_decay"]) for it in groups["first"]] == [
        ((0.0, 0.999), 0.5), ((0.0, 0.999), 0.0),
    ]  # fmt: skip
    assert [(it["betas"], it["weight_decay"]) for it in groups["second"]] == [((0.5, 0.999), 0.0)]
    optimizer.set_learning_rate(ByPart({"first": 0.2, "second": 0.02}))
    assert {part: [it["lr"] for it in its] for part, its in groups.items()} == {
        "first": [0.2, 0.2], "second": [0.02],
    }  # fmt: skip
    assert optimizer.rates == {"first": 0.2, "second": 0.02}


@pytest.mark.parametrize(
    "name",
    ["learning_rate", "adam_beta1", "adam_beta2", "adam_epsilon", "momentum", "weight_decay"],
)
@pytest.mark.parametrize(
    ("parts", "fault"),
    [(("first", "third"), "has no part 'third'"), (("first",), "also has a part 'second'")],
)
def test_the_parts_of_a_setting_are_the_models(name: str, parts: tuple[str], fault: str) -> None:
    with pytest.raises(
        InvalidValue, match=f"{name}='first=.*': the model {fault}.* first, second$"
    ):
        optimizers(**{name: ByPart(dict.fromkeys(parts, 0.5))})
