"""Conditioners that scale and shift features: FiLM and conditional normalization."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from gtk.core.contracts.conditioner import Conditioner, ConditioningLayer, Site
from gtk.core.contracts.normalization import Normalization


class Modulation(ConditioningLayer):
    """A scale and a shift of every feature by the condition, initially the identity.

    Args:
        features: width (vectors) or channels (images) of the input.
        code: maps a condition to (B, 2 features), initially zeros.
        before: applied to the features first, such as a normalization.
    """

    def __init__(self, features: int, code: nn.Module, before: nn.Module | None = None) -> None:
        super().__init__()
        self.out_features = features
        self.code = code
        self.before = nn.Identity() if before is None else before

    def forward(self, hidden: Tensor, condition: Tensor | None) -> Tensor:
        """Map (B, F) or (B, F, H, W) and a condition to the same shape."""
        hidden = self.before(hidden)
        code: Tensor = self.code(condition)
        if hidden.dim() > 2:  # an image: the same in every pixel
            code = code[:, :, None, None]
        scale, shift = code.chunk(2, dim=1)
        return torch.addcmul(shift, hidden, 1 + scale)


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


class ConditionalNormalization(Conditioner):
    """Scales and shifts every normalization by the condition instead of by learned constants.

    Dumoulin, Shlens and Kudlur (arXiv:1610.07629), equation 5; de Vries et al.
    (arXiv:1707.00683), section 2.2. It acts in networks with batch or group normalization.
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
