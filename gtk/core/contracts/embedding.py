"""A learned vector for a condition of any kind."""

import torch
from torch import Tensor, nn

from gtk.core.values.condition import Classes, ConditionSpec


def absent_rows(condition: ConditionSpec, rows: Tensor, absent: Tensor | None = None) -> Tensor:
    """Return which rows of a condition are absent: (B,), bool.

    A layer on a GPU gives `absent`, the condition's row of that name, from a buffer: to copy it
    there in each step would wait for all that the GPU still has to compute.
    """
    if rows.is_floating_point():
        same = rows.isnan()
    elif absent is None:
        same = rows == torch.from_numpy(condition.absent).to(rows.device)
    else:
        same = rows == absent
    return same.reshape(rows.shape[0], -1).all(1)


class ConditionNumbers(nn.Module):
    """Scales a continuous vector from its ranges to -1..1; attributes stay 0 and 1."""

    middle: Tensor
    half_range: Tensor

    def __init__(self, condition: ConditionSpec) -> None:
        super().__init__()
        ends = condition.ranges or [(-1.0, 1.0)] * condition.shape[0]
        ranges = torch.tensor(ends, dtype=torch.float32)  # an author may write whole numbers
        self.register_buffer("middle", ranges.mean(1), persistent=False)
        self.register_buffer("half_range", (ranges[:, 1] - ranges[:, 0]) / 2, persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """Map raw values (B, n) to (B, n)."""
        return (values - self.middle) / self.half_range


class ConditionEmbedding(nn.Module):
    """A row of a table for a class; a linear map of attributes or of a scaled vector.

    Args:
        condition: what it takes; if nullable, absent rows have a vector of their own.
        features: width of the vectors.
        scale: factor of the first weights, as torch draws them.
        learned: whether the vector of absent rows is learned; else it is zeros.
    """

    absent: Tensor
    absent_row: Tensor
    default: Tensor

    def __init__(
        self, condition: ConditionSpec, features: int, scale: float = 1.0, *, learned: bool = True
    ) -> None:
        super().__init__()
        self.condition = condition
        if isinstance(condition, Classes):
            self.layers: nn.Module = nn.Embedding(condition.count, features)
        else:
            linear = nn.Linear(condition.shape[0], features)
            self.layers = nn.Sequential(ConditionNumbers(condition), linear)
        if condition.nullable and learned:
            self.absent = nn.Parameter(torch.randn(features))
        elif condition.nullable:
            self.register_buffer("absent", torch.zeros(features), persistent=False)
        if condition.nullable:
            default = torch.from_numpy(condition.default())
            self.register_buffer("default", default, persistent=False)
            absent_row = torch.from_numpy(condition.absent)
            self.register_buffer("absent_row", absent_row, persistent=False)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(scale)

    def forward(self, condition: Tensor) -> Tensor:
        """Map labels (B,) or values (B, n) to (B, features)."""
        if not self.condition.nullable:
            vectors: Tensor = self.layers(condition)
            return vectors
        absent = absent_rows(self.condition, condition, self.absent_row)
        # NaN, or a label past the table, must reach neither the layers nor the gradient.
        chosen = absent.reshape(-1, *[1] * (condition.dim() - 1))
        vectors = self.layers(torch.where(chosen, self.default, condition))
        return torch.where(absent[:, None], self.absent, vectors)
