"""What a model has without saying so: its networks are its modules, and sampling is exported."""

import numpy as np
import torch
from torch import Tensor, nn

import gtk
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.noise import NoiseSpec


class Little(gtk.Model):
    def __init__(self) -> None:
        super().__init__()
        self.noise = NoiseSpec((3,))
        self.decoder = nn.Linear(3, 4)
        self.tone = nn.Embedding(2, 4)

    def sample(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        tone = 0 if condition is None else self.tone(condition)
        return torch.sigmoid(self.decoder(noise) + tone).reshape(-1, 1, 2, 2)


def test_networks_are_the_modules_by_their_names() -> None:
    model = Little()
    assert model.networks() == {"decoder": model.decoder, "tone": model.tone}


def test_the_part_for_export_samples() -> None:
    model = Little()
    z = torch.from_numpy(model.noise.draw(2, seed=0))
    part = model.exports()["generator"]
    assert (part.inputs, part.outputs) == (("z",), ("image",))
    assert torch.equal(part.module(z), model.sample(z, None))
    model.condition = ConditionSpec(("a", "b"))
    part = model.exports()["generator"]
    assert part.inputs == ("z", "label")
    label = torch.from_numpy(np.array([1, 0]))
    assert torch.equal(part.module(z, label), model.sample(z, label))
