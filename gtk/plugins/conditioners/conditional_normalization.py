"""Normalization whose scale and shift depend on the condition."""

from typing import ClassVar

from gtk.core.contracts.conditioner import Conditioner, ConditioningLayer, Site
from gtk.core.contracts.normalization import Normalization
from gtk.plugins.conditioners.modulation import Modulation


class ConditionalNormalization(Conditioner):
    """Gives every normalization a scale and a shift for each class instead of one for all.

    Dumoulin, Shlens and Kudlur (arXiv:1610.07629), equation 5; de Vries et al.
    (arXiv:1707.00683), section 2.2. It acts in every network that has normalizations, batch or
    group.
    """

    acts_on: ClassVar[str] = "normalizations"

    def normalization(
        self, site: Site, features: int, kind: Normalization, *, spatial: bool
    ) -> ConditioningLayer:
        """Normalize, then scale and shift by the condition."""
        return conditional_normalization(self, site, features, kind, spatial=spatial)


def conditional_normalization(
    conditioner: Conditioner, site: Site, features: int, kind: Normalization, *, spatial: bool
) -> Modulation:
    """Return a normalization with a scale and a shift by the condition."""
    plain = kind.build(features, spatial=spatial, affine=False)
    code = conditioner.embed(site, 2 * features, scale=0.0, learned=False)
    return Modulation(features, code, plain)
