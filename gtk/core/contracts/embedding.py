"""A learned vector for a condition of any kind."""

import torch
from torch import Tensor, nn

from gtk.core.values.condition import ConditionSpec


class ConditionNumbers(nn.Module):
    """Attributes as they are; a continuous vector scaled from its ranges to -1..1."""

    middle: Tensor
    half_range: Tensor

    def __init__(self, condition: ConditionSpec) -> None:
        super().__init__()
        ends = condition.ranges or [(-1.0, 1.0)] * condition.count
        ranges = torch.tensor(ends, dtype=torch.float32)  # an author may write whole numbers
        self.register_buffer("middle", ranges.mean(1), persistent=False)
        self.register_buffer("half_range", (ranges[:, 1] - ranges[:, 0]) / 2, persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """Map raw values (B, n) to (B, n)."""
        return (values - self.middle) / self.half_range


class ConditionEmbedding(nn.Module):
    """A row of a table for a class; a linear map of attributes or of a scaled vector.

    Args:
        condition: what it takes.
        features: width of the vectors.
        scale: what the first weights, as torch draws them, are multiplied by.
    """

    def __init__(self, condition: ConditionSpec, features: int, scale: float = 1.0) -> None:
        super().__init__()
        if condition.kind == "classes":
            self.layers: nn.Module = nn.Embedding(condition.count, features)
        else:
            linear = nn.Linear(condition.count, features)
            self.layers = nn.Sequential(ConditionNumbers(condition), linear)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(scale)

    def forward(self, condition: Tensor) -> Tensor:
        """Map labels (B,) or values (B, n) to (B, features)."""
        vectors: Tensor = self.layers(condition)
        return vectors
