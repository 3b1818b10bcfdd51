"""The label as a one-hot vector."""

import torch
from torch import Tensor, nn

from gtk.core.conditioner import Conditioner, ConditioningLayer, Site
from gtk.plugins.conditioners.concatenate import Concatenate


class OneHotCode(nn.Module):
    """Labels to one-hot vectors, by looking up rows of the unit matrix.

    A look-up refuses a label outside 0..n-1, where comparing would give zeros without a word.
    """

    unit: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("unit", torch.eye(count), persistent=False)

    def forward(self, label: Tensor) -> Tensor:
        """Map labels (B,) to (B, n)."""
        return self.unit.index_select(0, label)


class OneHot(Conditioner):
    """Concatenates the one-hot label to every network's input, as planes to an image.

    Mirza and Osindero, Conditional Generative Adversarial Nets (arXiv:1411.1784), section 3.2.
    """

    def input(self, site: Site, features: int) -> ConditioningLayer:
        """Concatenate the one-hot label."""
        assert self.condition is not None  # noqa: S101 - promised by the contract
        return Concatenate(features, OneHotCode(self.condition.count), self.condition.count)
