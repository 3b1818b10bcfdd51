"""The label as a learned vector."""

from torch import nn

from gtk.core.conditioner import Conditioner, ConditioningLayer, Site
from gtk.plugins.conditioners.concatenate import Concatenate


class Embedding(Conditioner):
    """Concatenates a learned vector of the label to every network's input.

    Every network learns vectors of its own.
    """

    def input(self, site: Site, features: int) -> ConditioningLayer:
        """Concatenate the label's vector."""
        assert self.condition is not None  # noqa: S101 - promised by the contract
        width = self.config.embedding_dim
        return Concatenate(features, nn.Embedding(self.condition.count, width), width)
