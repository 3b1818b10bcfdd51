"""Self-attention among the pixels of maps."""

from math import gcd

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

#: Features of a head where a width is a multiple of it, and the fewest that one has.
HEAD_FEATURES, LEAST_FEATURES = 64, 16
#: The most pixels of maps whose attention in bf16 is computed by plain products on a CPU.
PLAIN_PIXELS = 256


def head_count(features: int) -> int:
    """Return the number of heads into which features are divided; 1 if nothing else fits."""
    width = gcd(features, HEAD_FEATURES)
    return features // width if width >= LEAST_FEATURES else 1


class SelfAttention(nn.Module):
    """Attention of every pixel to all pixels of its image, by several heads.

    Vaswani et al., Attention Is All You Need (arXiv:1706.03762), equation 1.

    Args:
        features: F.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.heads = head_count(features)
        # One matrix for queries, keys and values: one product instead of three.
        self.projections = nn.Linear(features, 3 * features)
        self.output = nn.Linear(features, features)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map (B, h, w, F) to the same shape."""
        _, height, width, features = pixels.shape
        projected = self.projections(pixels)
        projected = projected.reshape(-1, height * width, 3, self.heads, features // self.heads)
        query, key, value = projected.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = attend(query, key, value)
        result: Tensor = self.output(mixed.transpose(1, 2).reshape(-1, height, width, features))
        return result


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Mix the values (B, heads, h w, F) of all pixels by the likeness of keys to a query.

    On a CPU in bf16, the gradient of torch's own attention takes 3 to 4 times as long as that of
    plain products: for 64 pixels, and more than all the other layers of a transformer.
    """
    if query.device.type != "cpu" or query.dtype != torch.bfloat16 or query.shape[2] > PLAIN_PIXELS:
        return scaled_dot_product_attention(query, key, value)
    likeness: Tensor = (query * query.shape[-1] ** -0.5) @ key.mT
    return likeness.softmax(dim=-1) @ value
