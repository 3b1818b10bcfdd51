"""A sampler of any model that takes noise besides z, in place of `direct`."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gtk.core.values.noise import NoiseSpec
from gtk.plugins.samplers.direct import Direct

#: What it draws besides z: one array is not used.
SHAPES = {"choice": (1,), "one": (1, 8, 8), "other": (1, 8, 8), "unused": (3,)}


class Choosing(nn.Module):
    """Shifts an image by noise of its shape, by one or by twice the other as a choice says."""

    def __init__(self, model: Any, *, swapped: bool = False) -> None:
        super().__init__()
        self.model, self._swapped = model, swapped

    def forward(
        self, z: Tensor, choice: Tensor, one: Tensor, other: Tensor, unused: Tensor, **given: Any
    ) -> Tensor:
        if self._swapped:
            one, other = other, one
        image: Tensor = self.model.sample(z, given["condition"])
        chosen = torch.where(choice[:, :, None, None] > 0, one, 2 * other)
        return (image + chosen / 10).clamp(0, 1)


def draw_with_noise(
    patching: pytest.MonkeyPatch,
    shapes: Mapping[str, tuple[int, ...]] = SHAPES,
    module: Callable[[Any], nn.Module] = Choosing,
) -> None:
    """Have `direct` take noise of other shapes besides z, and draw by another module."""

    def noise(sampler: Direct) -> dict[str, NoiseSpec]:
        model: Any = sampler.model
        first = {} if "z" in shapes else {"z": model.noise}
        return first | {name: NoiseSpec(shape) for name, shape in shapes.items()}

    patching.setattr(Direct, "noise", property(noise))
    patching.setattr(Direct, "module", lambda sampler: module(sampler.model))
