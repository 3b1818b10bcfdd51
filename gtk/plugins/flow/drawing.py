"""Images drawn from a flow or diffusion model by a few steps of one solver."""

import torch
from torch import Tensor

from gtk.core.values.solvers import heun
from gtk.core.values.time_grid import uniform
from gtk.plugins.families.velocity import VelocityModel

STEPS = 4


def draw(model: VelocityModel, noise: Tensor, condition: Tensor | None) -> Tensor:
    """Map noise (B, C, H, W) and a condition to images (B, C, H, W) in 0..1."""

    def velocity(x: Tensor, time: Tensor) -> Tensor:
        return model.velocity(x, time.expand(x.shape[0]), condition)

    times = torch.from_numpy(uniform(STEPS, model.path)).to(noise.device)
    x = noise
    for index in range(STEPS):
        x, _ = heun(velocity, model.path, x, times[index], times[index + 1])
    return (x / 2 + 0.5).clamp(0, 1)
