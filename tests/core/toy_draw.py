"""A draw by steps of Heun's method, with a small network of its own, as a part of a CVAE's run."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import gtk
from gtk.core.contracts.iteration import Iteration
from gtk.plugins.vae.model import VariationalAutoencoder


class Velocity(nn.Module):
    """A velocity (B, 1, 8, 8) at a time (B,); label (B,) in 0..9."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(1, width, 3, padding=1), nn.Conv2d(width, 1, 3, padding=1)
        self.time, self.label = nn.Linear(1, width), nn.Embedding(10, width)

    def forward(self, x: Tensor, time: Tensor, label: Tensor) -> Tensor:
        features = (self.time(time[:, None]) + self.label(label))[:, :, None, None]
        velocity: Tensor = 5 * self.last(functional.silu(self.first(x) + features)).sin()
        return velocity


class Heun(Iteration):
    """Draws (B, 1, 8, 8) of noise (B, 16); always of the same weights."""

    def __init__(self, count: int = 16) -> None:
        super().__init__()
        self.count = count
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.network, self.spread = Velocity(), nn.Linear(16, 64)
        self.register_buffer("times", torch.linspace(0, 1, count + 1))

    def begin(self, z: Tensor, *others: Tensor, condition: Tensor | None) -> tuple[Tensor, ...]:
        return (self.spread(z).unflatten(1, (1, 8, 8)),)

    def velocity(self, x: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        velocity: Tensor = self.network(x, time.expand(x.shape[0]), condition)
        return velocity

    def step(self, index: Tensor, *state: Tensor, condition: Tensor | None) -> tuple[Tensor, ...]:
        (x,) = state
        times = self.get_buffer("times")
        time, following = times[index], times[index + 1]
        first = self.velocity(x, time, condition)
        second = self.velocity(x + (following - time) * first, following, condition)
        return (x + (following - time) / 2 * (first + second),)

    def end(self, *state: Tensor) -> Tensor:
        return (state[0] / 2 + 0.5).clamp(0, 1)


def drawn(_: Any, z: Tensor, label: Tensor) -> Tensor:
    """Return what 16 steps draw, as the reference of a part."""
    images: Tensor = Heun()(z, condition=label)
    return images


def draw_by_steps(patching: pytest.MonkeyPatch, module: nn.Module | None = None) -> None:
    """Have a CVAE export such a draw as its one part, "sampler"."""

    def exports(_: VariationalAutoencoder) -> dict[str, gtk.ExportPart]:
        draw = Heun() if module is None else module
        return {"sampler": gtk.ExportPart(draw, ("z", "label"), ("image",), drawn)}

    patching.setattr(VariationalAutoencoder, "exports", exports)
