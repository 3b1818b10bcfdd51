"""The loss of flow matching."""

import torch
from torch import Tensor

from gtk.core.contracts.noise import Noise
from gtk.core.values.path import Path
from gtk.plugins.losses import FlowMatchingConfig
from gtk.plugins.losses.velocity_error import VelocityError


class FlowMatching(VelocityError):
    """The squared error of the velocity, all times weighted alike.

    Lipman et al., Flow Matching for Generative Modeling (arXiv:2210.02747), equation 9. Times are
    uniform, or the sigmoid of standard normal numbers: Esser et al. (arXiv:2403.03206), equation 19
    with m = 0 and s = 1.

    Args:
        config: distribution of times, coupling and weights.
    """

    config: FlowMatchingConfig

    def times(self, path: Path, noise: Noise, count: int) -> Tensor:
        """Draw times (count,) in 0..1."""
        uniform = self.config.time == "uniform"
        return noise.uniform(count) if uniform else noise.normal(count).sigmoid()

    def weights(self, path: Path, time: Tensor) -> Tensor:
        """Return ones."""
        return torch.ones_like(time)
