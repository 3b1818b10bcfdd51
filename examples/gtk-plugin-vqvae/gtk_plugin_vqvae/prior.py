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
        left = self.left(before[:, width - 1 : width - 1 + length])
        above = self.above(before[:, :length])
        inputs = left + above + self.position + self._condition(condition)[:, None]
        hidden, _ = self.recurrent(self.dropout(inputs))
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
        width, recurrent = self.size[1], self.recurrent
        none = torch.full_like(gumbel[:, 0, 0], self.count, dtype=torch.int64)  # (B,)
        codes: list[Tensor] = [none] * width  # what is above the first line
        sums: list[Tensor] = []
        state = torch.zeros_like(gumbel[:, 0, :1]).expand(-1, recurrent.hidden_size)
        code = self._condition(condition)
        for index, position in enumerate(self.position):
            inputs = self.left(codes[-1]) + self.above(codes[-width]) + position + code
            # What nn.GRU does in a step, for the exporter without a loop around it.
            state = torch.gru_cell(
                inputs,
                state,
                recurrent.weight_ih_l0,
                recurrent.weight_hh_l0,
                recurrent.bias_ih_l0,
                recurrent.bias_hh_l0,
            )
            sums.append(self.head(state) + gumbel[:, index])
            codes.append(sums[-1].argmax(1))
        drawn = torch.stack(codes[width:], 1)
        return drawn.unflatten(1, self.size), torch.stack(sums, 1)

    def _condition(self, condition: Tensor | None) -> Tensor:
        """Map a condition to what it adds to every input: (B, features), zeros (1, features)."""
        if self.condition is None:
            return torch.zeros_like(self.position[:1])
        code: Tensor = self.condition(condition)
        return code


def gumbel_noise(normal: Tensor) -> Tensor:
    """Map standard normal noise (..., 2) to standard Gumbel noise (...).

    Half the sum of two squares is exponentially distributed (Box and Muller, 1958), and minus the
    logarithm of that is a Gumbel variable. Unlike the normal's distribution function, this keeps
    its digits far from the middle, where the largest of many are.
    """
    exponential = normal.square().sum(-1) / 2
    return -exponential.clamp(min=torch.finfo(normal.dtype).tiny).log()
