"""A transformer for flow and diffusion models."""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from gtk.core.contracts.conditioner import Conditioner, ConditioningLayer, Site
from gtk.core.contracts.normalization import Normalization
from gtk.plugins.networks.attention import SelfAttention
from gtk.plugins.networks.network_settings import TransformerSettings
from gtk.plugins.networks.patches import Patches
from gtk.plugins.networks.stage import ImageShape, Size
from gtk.plugins.networks.time_embedding import TimeEmbedding, sinusoids
from gtk.plugins.networks.zeroed import zeroed

LAYER = Normalization("layer", epsilon=1e-6)
#: Width of a block's perceptron, as a multiple of a token's.
EXPANSION = 4


class TransformerBlock(nn.Module):
    """Attention and a perceptron, each scaled, shifted and gated by the time, beside an identity.

    Peebles and Xie, Scalable Diffusion Models with Transformers (arXiv:2212.09748), section 3.2,
    "adaLN-Zero": the gates start at 0. Conditioners see tokens as maps.

    Args:
        conditioner: provides the normalizations and the layer before the activation.
        role: the network's name.
        place: of the block in it.
        width: features F of a token, and of the time's vector.
    """

    def __init__(self, conditioner: Conditioner, role: str, place: str, width: int) -> None:
        super().__init__()
        self.width = width
        self.time = zeroed(nn.Linear(width, 6 * width))
        attention, perceptron = Site(role, f"{place} attention"), Site(role, place)
        self.norm = conditioner.normalization(attention, width, LAYER, spatial=True)
        self.attention = SelfAttention(width)
        self.norm_again = conditioner.normalization(perceptron, width, LAYER, spatial=True)
        self.first = nn.Linear(width, EXPANSION * width)
        self.hidden = conditioner.hidden(perceptron, EXPANSION * width)
        self.second = nn.Linear(self.hidden.out_features, width)

    def forward(self, tokens: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        """Map (B, h, w, F), a time's vector (B, F) and a condition to (B, h, w, F)."""
        code = self.time(time).reshape(-1, 6, 1, 1, self.width)
        values = modulated(as_maps(self.norm, tokens, condition), code[:, 0], code[:, 1])
        tokens = tokens + self.attention(values) * code[:, 2]
        values = modulated(as_maps(self.norm_again, tokens, condition), code[:, 3], code[:, 4])
        values = gelu(as_maps(self.hidden, self.first(values), condition), approximate="tanh")
        result: Tensor = tokens + self.second(values) * code[:, 5]
        return result


class Transformer(nn.Module):
    """A transformer of an image's patches.

    Peebles and Xie (arXiv:2212.09748). First it returns zeros.

    Args:
        settings: its sizes.
        image_shape: (C, H, W).
        conditioner: provides the layers that take the condition.
        role: the network's name in `Model.networks()`.
    """

    positions: Tensor

    def __init__(
        self,
        settings: TransformerSettings,
        image_shape: ImageShape,
        conditioner: Conditioner,
        role: str,
    ) -> None:
        super().__init__()
        self.patches = Patches(image_shape, settings.patch)
        width = settings.width
        self.time = TimeEmbedding(width, conditioner, role)
        self.input = conditioner.input(Site(role, "input"), image_shape[0])
        self.first = nn.Conv2d(self.input.out_features, width, settings.patch, settings.patch)
        self.register_buffer("positions", positions(self.patches.size, width), persistent=False)
        self.blocks = nn.ModuleList(
            TransformerBlock(conditioner, role, f"block {index}", width)
            for index in range(settings.depth)
        )
        self.norm = conditioner.normalization(Site(role, "head"), width, LAYER, spatial=True)
        self.head_time = zeroed(nn.Linear(width, 2 * width))
        self.head = zeroed(nn.Linear(width, self.patches.values))

    def forward(self, x: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        """Map (B, C, H, W), times (B,) in 0..1 and a condition to (B, C, H, W)."""
        vector = self.time(time, condition)
        maps = self.first(self.patches.whole(self.input(x, condition)))
        tokens = maps.permute(0, 2, 3, 1).contiguous() + self.positions
        for block in self.blocks:
            tokens = block(tokens, vector, condition)
        code = self.head_time(vector).reshape(-1, 2, 1, 1, tokens.shape[-1])
        values = modulated(as_maps(self.norm, tokens, condition), code[:, 0], code[:, 1])
        return self.patches.joined(self.head(values).permute(0, 3, 1, 2))


def as_maps(layer: ConditioningLayer, tokens: Tensor, condition: Tensor | None) -> Tensor:
    """Apply a layer of maps (B, F, h, w) to tokens (B, h, w, F)."""
    maps: Tensor = layer(tokens.permute(0, 3, 1, 2), condition)
    return maps.permute(0, 2, 3, 1)


def modulated(tokens: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Scale tokens (B, h, w, F) by 1 + scale and shift them, (B, 1, 1, F) each."""
    return tokens * (1 + scale) + shift


def positions(size: Size, width: int) -> Tensor:
    """Return sinusoids of the row, then of the column, of every token: (h, w, width)."""
    height, across = size
    rows = sinusoids(torch.arange(height), width // 4)[:, None].expand(-1, across, -1)
    columns = sinusoids(torch.arange(across), width // 4)[None].expand(height, -1, -1)
    return torch.cat([rows, columns], dim=-1)
