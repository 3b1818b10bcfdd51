"""Concatenation of a code of the condition to a network's features."""

import torch
from torch import Tensor, nn

from gtk.core.contracts.conditioner import ConditioningLayer


class Concatenate(ConditioningLayer):
    """Concatenates features and a code of the condition.

    Args:
        features: width (vectors) or channels (images) of the input.
        code: maps a condition to codes (B, width); its weights belong to this layer.
        width: of a code.
    """

    def __init__(self, features: int, code: nn.Module, width: int) -> None:
        super().__init__()
        self.code = code
        self.out_features = features + width

    def forward(self, hidden: Tensor, condition: Tensor | None) -> Tensor:
        """Map (B, F) to (B, F + width), and (B, F, H, W) to as many more planes."""
        code = self.code(condition)
        if hidden.dim() > 2:  # an image: the code in every pixel
            code = code[:, :, None, None].expand(-1, -1, *hidden.shape[2:])
        return torch.cat([hidden, code], dim=1)
