"""Scale and shift features by the condition."""

import torch
from torch import Tensor, nn

from gtk.core.contracts.conditioner import ConditioningLayer


class Modulation(ConditioningLayer):
    """A scale and a shift of every feature, learned for the condition; none at first.

    Args:
        features: width (vectors) or channels (images) of what comes in.
        code: a condition to (B, 2 features); zeros at first.
        before: what the features go through before, such as a normalization.
    """

    def __init__(self, features: int, code: nn.Module, before: nn.Module | None = None) -> None:
        super().__init__()
        self.out_features = features
        self.code = code
        self.before = nn.Identity() if before is None else before

    def forward(self, hidden: Tensor, condition: Tensor | None) -> Tensor:
        """Map (B, F) or (B, F, H, W) and a condition to the same shape."""
        hidden = self.before(hidden)
        code: Tensor = self.code(condition)
        if hidden.dim() > 2:  # an image: the same in every pixel
            code = code[:, :, None, None]
        scale, shift = code.chunk(2, dim=1)
        return torch.addcmul(shift, hidden, 1 + scale)
