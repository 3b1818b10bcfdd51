"""The autoregressive prior over an image's codes, given its condition."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

import gtk


class Prior(nn.Module):
    """p(codes | condition) = product over positions of p(code | codes before it, condition).

    Codes are read line by line by a gated recurrent unit, which is shown the code to the left, the
    code above, the position and the condition.

    Args:
        count: K, of codes.
        size: (h, w), of an image's codes.
        features: of the recurrent unit.
        dropout: share of features that are left out in training.
        conditioner: embeds the condition, if one acts.
    """

    def __init__(
        self,
        count: int,
        size: tuple[int, int],
        features: int,
        dropout: float,
        conditioner: gtk.Conditioner,
    ) -> None:
        super().__init__()
        self.count = count
        self.size = size
        self.left = nn.Embedding(count + 1, features)  # the last row stands for no code
        self.above = nn.Embedding(count + 1, features)
        self.position = nn.Parameter(torch.randn(size[0] * size[1], features))
        self.condition: nn.Module | None = None
        if conditioner.conditional:
            self.condition = conditioner.embed(gtk.Site("prior", "input"), features)
        self.dropout = nn.Dropout(dropout)
        self.recurrent = nn.GRU(features, features, batch_first=True)
        self.head = nn.Linear(features, count)

    def logits(self, codes: Tensor, condition: Tensor | None) -> Tensor:
        """Map codes (B, h, w) and a condition to logits of each, given those before: (B, hw, K)."""
        length, width = len(self.position), self.size[1]
        before = pad(codes.flatten(1), (width, 0), value=self.count)
        inputs = self._inputs(
            before[:, width - 1 : width - 1 + length], before[:, :length], condition
        )
        hidden, _ = self.recurrent(self.dropout(inputs + self.position))
        logits: Tensor = self.head(self.dropout(hidden))
        return logits

    def nats(self, codes: Tensor, condition: Tensor | None) -> Tensor:
        """Return -log p(codes | condition) of codes (B, h, w): (B,)."""
        logits = self.logits(codes, condition).transpose(1, 2)
        return cross_entropy(logits, codes.flatten(1), reduction="none").sum(1)

    def draw(self, gumbel: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Draw codes, position after position, each the largest of logits + Gumbel noise.

        Args:
            gumbel: standard Gumbel noise (B, hw, K).
            condition: as the data set has it.

        Returns:
            codes (B, h, w), int64, and the sums that they are the largest of: (B, hw, K).
        """
        width = self.size[1]
        none = torch.full_like(gumbel[:, :1, 0], self.count, dtype=torch.int64)  # (B, 1)
        codes: list[Tensor] = [none] * width  # what is above the first line
        sums: list[Tensor] = []
        state = torch.zeros_like(none, dtype=gumbel.dtype).expand(-1, self.recurrent.hidden_size)
        state = state[None]
        for index in range(len(self.position)):
            inputs = self._inputs(codes[-1], codes[-width], condition) + self.position[index]
            hidden, state = self.recurrent(inputs, state)
            sums.append(self.head(hidden)[:, 0] + gumbel[:, index])
            codes.append(sums[-1].argmax(1, keepdim=True))
        drawn = torch.cat(codes[width:], 1)
        return drawn.unflatten(1, self.size), torch.stack(sums, 1)

    def _inputs(self, left: Tensor, above: Tensor, condition: Tensor | None) -> Tensor:
        """Map codes (B, n) and a condition to (B, n, features)."""
        inputs: Tensor = self.left(left) + self.above(above)
        if self.condition is not None:
            inputs = inputs + self.condition(condition)[:, None]
        return inputs


def gumbel_noise(normal: Tensor) -> Tensor:
    """Map standard normal noise (..., 2) to standard Gumbel noise (...).

    Half the sum of two squares is exponentially distributed (Box and Muller, 1958), and minus the
    logarithm of that is a Gumbel variable. Unlike the normal's distribution function, this keeps
    its digits far from the middle, where the largest of many are.
    """
    exponential = normal.square().sum(-1) / 2
    return -exponential.clamp(min=torch.finfo(normal.dtype).tiny).log()
