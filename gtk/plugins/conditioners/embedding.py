"""The condition as a learned vector."""

from typing import ClassVar

from gtk.core.contracts.conditioner import Conditioner, ConditioningLayer, Site
from gtk.plugins.conditioners.concatenate import Concatenate


class Embedding(Conditioner):
    """Concatenates a learned vector of the condition to every network's input.

    A row of a table for a class, a linear map of attributes or numbers; every network learns its
    own.
    """

    acts_on: ClassVar[str] = "inputs"

    def input(self, site: Site, features: int) -> ConditioningLayer:
        """Concatenate the condition's vector."""
        width = self.config.embedding_dim
        return Concatenate(features, self.embed(site, width), width)
