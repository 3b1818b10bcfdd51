"""Feature-wise linear modulation."""

from typing import ClassVar

from gtk.core.contracts.conditioner import Conditioner, ConditioningLayer, Site
from gtk.plugins.conditioners.modulation import Modulation


class FiLM(Conditioner):
    """Scales and shifts every feature before every activation.

    Perez et al., FiLM: Visual Reasoning with a General Conditioning Layer (arXiv:1709.07871),
    equation 1, with 1 + scale; scale and shift start at zero, and stay there for an absent
    condition.
    """

    acts_on: ClassVar[str] = "hidden layers"

    def hidden(self, site: Site, features: int) -> ConditioningLayer:
        """Scale and shift."""
        return Modulation(features, self.embed(site, 2 * features, scale=0.0, learned=False))
