"""A projection of features on the condition in a discriminator's score."""

from typing import ClassVar

from torch import Tensor, nn

from gtk.core.contracts.conditioner import (
    Conditioner,
    ConditioningLayer,
    PlainNormalization,
    ScoreLayer,
    Site,
)
from gtk.core.contracts.normalization import Normalization
from gtk.plugins.conditioners.modulation import conditional_normalization

#: Small, so that initially the condition hardly changes the score.
FIRST_SCALE = 0.02


class ProjectedScore(ScoreLayer):
    """score + <code(condition), features>.

    Args:
        code: maps a condition to (B, F).
    """

    acts: ClassVar[bool] = True

    def __init__(self, code: nn.Module) -> None:
        super().__init__()
        self.code = code

    def forward(self, score: Tensor, features: Tensor, condition: Tensor | None) -> Tensor:
        """Map scores (B,), features (B, F) and a condition to scores (B,)."""
        code: Tensor = self.code(condition)
        return score + (code * features).sum(1)


class Projection(Conditioner):
    """A projection in the discriminator's score, conditional normalization in the generator.

    Miyato and Koyama, cGANs with Projection Discriminator (arXiv:1802.05637), equation 3 and
    section 4.
    """

    acts_on: ClassVar[str] = "a generator's normalizations and a discriminator's score"

    def normalization(
        self, site: Site, features: int, kind: Normalization, *, spatial: bool
    ) -> ConditioningLayer:
        """Scale and shift by the condition in a generator, by learned constants elsewhere."""
        if site.role != "generator":
            return PlainNormalization(features, kind, spatial=spatial)
        return conditional_normalization(self, site, features, kind, spatial=spatial)

    def score(self, site: Site, features: int) -> ScoreLayer:
        """Add the projection of the features on the condition's vector."""
        return ProjectedScore(self.embed(site, features, scale=FIRST_SCALE))
