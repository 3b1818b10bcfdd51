"""The time of a flow or diffusion, as a vector that the layers of a network take."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from gtk.core.contracts.conditioner import Conditioner, Site

#: Frequencies of the features of a time, and the factor that makes of a time in 0..1 the range of
#: steps for which they were made (Ho et al., arXiv:2006.11239, which has 1000 steps).
FREQUENCIES, STEPS = 64, 1000.0


def frequencies(count: int) -> Tensor:
    """Return `count` angular frequencies from 1 down to 1/10000, in geometric progression.

    Vaswani et al., Attention Is All You Need (arXiv:1706.03762), section 3.5.
    """
    return torch.exp(-math.log(10000.0) * torch.arange(count) / count)


def sinusoids(values: Tensor, count: int) -> Tensor:
    """Map values (...) to cosines and sines of `count` frequencies, (..., 2 count)."""
    angles = values[..., None] * frequencies(count).to(values.device)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class TimeEmbedding(nn.Module):
    """Sinusoids of the time, then a perceptron, whose hidden layer also takes the condition.

    Args:
        width: E of the vectors.
        conditioner: provides the layer before the activation.
        role: the network's name.
    """

    scaled: Tensor

    def __init__(self, width: int, conditioner: Conditioner, role: str) -> None:
        super().__init__()
        self.register_buffer("scaled", STEPS * frequencies(FREQUENCIES), persistent=False)
        self.first = nn.Linear(2 * FREQUENCIES, width)
        self.hidden = conditioner.hidden(Site(role, "time"), width)
        self.second = nn.Linear(self.hidden.out_features, width)

    def forward(self, time: Tensor, condition: Tensor | None) -> Tensor:
        """Map times (B,) in 0..1 and a condition to activated vectors (B, E)."""
        angles = time.float()[:, None] * self.scaled  # in bf16 neighbouring times would be one
        features = self.first(torch.cat([angles.cos(), angles.sin()], dim=1))
        vector: Tensor = self.second(silu(self.hidden(features, condition)))
        return silu(vector)
