"""A network of fully connected layers for flow and diffusion models, for small images."""

import math

import torch
from torch import Tensor, nn

from gtk.core.contracts.conditioner import Conditioner
from gtk.core.contracts.normalization import Normalization
from gtk.plugins.networks.layer import HiddenLayers, LayerMaker
from gtk.plugins.networks.network_settings import MLPSettings
from gtk.plugins.networks.stage import ImageShape

#: Frequencies of the time's features: half a turn from 0 to 1, and up to 8 turns.
FREQUENCIES = 16


class MLP(nn.Module):
    """Map x, beside features of the time, to as many values.

    Args:
        config: width, depth and normalization.
        image_shape: (C, H, W).
        conditioner: provides the conditioning layers.
        role: the network's name.
    """

    frequencies: Tensor

    def __init__(
        self, config: MLPSettings, image_shape: ImageShape, conditioner: Conditioner, role: str
    ) -> None:
        super().__init__()
        frequencies = math.pi * torch.arange(1, FREQUENCIES + 1)
        self.register_buffer("frequencies", frequencies, persistent=False)
        maker = LayerMaker(role, conditioner, Normalization(config.normalization), nn.SiLU)
        pixels = math.prod(image_shape)
        widths = [config.width] * config.depth
        self.layers = HiddenLayers(maker, pixels + 2 * FREQUENCIES, widths)
        self.head = nn.Linear(self.layers.out_features, pixels)

    def forward(self, x: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        """Map x (B, C, H, W) at times (B,) and a condition to (B, C, H, W)."""
        angles = time.float()[:, None] * self.frequencies
        features = torch.cat([x.flatten(1), angles.cos(), angles.sin()], 1)
        values: Tensor = self.head(self.layers(features, condition))
        return values.view_as(x)
