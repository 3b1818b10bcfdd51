"""The prior over the latent code: standard, or learned given the condition."""

from torch import Tensor, nn

from gtk.core.contracts.conditioner import Conditioner, Site
from gtk.core.values.setting import setting
from gtk.plugins.families.gaussian import DiagonalGaussian, StandardGaussian


class StandardPrior(nn.Module):
    """p(z) = N(0, I), whatever the condition."""

    def forward(self, condition: Tensor | None) -> StandardGaussian:
        """Return N(0, I)."""
        return StandardGaussian()


class ConditionalPrior(nn.Module):
    """p(z | c): a Gaussian for every condition, N(0, I) at first.

    Sohn, Lee and Yan, Learning Structured Output Representation (NeurIPS 2015), section 4.1.

    Args:
        latent_dim: D.
        conditioner: embeds the condition.

    Raises:
        ValueError: there is no condition.
    """

    def __init__(self, latent_dim: int, conditioner: Conditioner) -> None:
        super().__init__()
        if not conditioner.conditional:
            raise ValueError(
                f"a learned prior needs a condition: use {setting('prior', 'standard')}"
            )
        self.code = conditioner.embed(Site("prior", "input"), 2 * latent_dim, scale=0.0)

    def forward(self, condition: Tensor) -> DiagonalGaussian:
        """Map a condition to a Gaussian over z (B, D)."""
        mean, log_variance = self.code(condition).chunk(2, dim=1)
        return DiagonalGaussian(mean, log_variance)
