"""Between two classes: the ends are the classes, and the middle is what it is said to be."""

import pytest
import torch
from torch import nn

import gtk
from gtk.core.models.blend import blended

pytestmark = pytest.mark.usefixtures("no_pictures")

SMALL = {"epochs": 1, "quiet": True}


@pytest.mark.parametrize(
    ("plugin", "options"),
    [
        ("cvae", {"conditioner": "onehot"}),
        ("cvae", {"conditioner": "embedding"}),
        ("cvae", {"conditioner": "film", "prior": "learned"}),
        ("cgan", {"conditioner": "projection", "network": "mlp"}),
    ],
    ids=str,
)
def test_the_ends_are_the_classes_to_the_bit(plugin: str, options: dict[str, str]) -> None:
    model = gtk.train(plugin=plugin, **SMALL, **options).load_model()  # type: ignore[arg-type]
    noise = torch.from_numpy(model.noise.draw(2, seed=0))
    three, eight = (torch.full((2,), label) for label in (3, 8))
    with torch.no_grad():
        with blended(model, eight, torch.tensor([0.0, 1.0])):
            found = model.sample(noise, three)
        with blended(model, eight, torch.tensor([0.5, 0.5])):
            middle = model.sample(noise, three)
        ends = model.sample(noise, three), model.sample(noise, eight)
    assert torch.equal(found[0], ends[0][0])
    assert torch.equal(found[1], ends[1][1])
    assert all((middle - end).abs().max() > 0.003 for end in ends)


def test_in_the_middle_of_one_hot_classes_is_half_of_each(small_run: gtk.Run) -> None:
    model = small_run.load_model()
    noise = torch.from_numpy(model.noise.draw(3, seed=0))
    three, eight, share = torch.full((3,), 3), torch.full((3,), 8), torch.tensor([0.2, 0.5, 0.9])
    with torch.no_grad(), blended(model, eight, share):
        found = model.sample(noise, three)
    soft = torch.zeros(3, 10)
    soft[:, 3], soft[:, 8] = 1 - share, share

    class Soft(nn.Module):
        def forward(self, condition: torch.Tensor) -> torch.Tensor:
            return soft

    replaced = 0
    for layer in list(model.modules()):
        if isinstance(layer, gtk.ConditioningLayer) and layer.acts:
            layer.code = Soft()
            replaced += 1
    assert replaced
    with torch.no_grad():
        expected = model.sample(noise, three)
    assert found == pytest.approx(expected, abs=1e-6)


def test_nothing_is_left_behind(small_run: gtk.Run) -> None:
    model = small_run.load_model()
    with blended(model, torch.zeros(1, dtype=torch.int64), torch.ones(1)):
        pass
    assert not any(module._forward_hooks for module in model.modules())
