"""The loss of EDM."""

from torch import Tensor

from gtk.core.contracts.noise import Noise
from gtk.core.values.path import Path
from gtk.plugins.families.velocity import DATA_DEVIATION
from gtk.plugins.losses import EDMConfig
from gtk.plugins.losses.velocity_error import VelocityError


class EDM(VelocityError):
    """The squared error of the denoised image, weighted so that the network's has weight 1.

    Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models
    (arXiv:2206.00364), equation 8 and table 1: log(sigma/alpha) is normal, and the weight is
    (r^2 + d^2) / (r d)^2, with r = sigma/alpha and d the data's deviation.

    Args:
        config: distribution of the noise, coupling and weights.
    """

    config: EDMConfig

    def times(self, path: Path, noise: Noise, count: int) -> Tensor:
        """Draw times (count,) in 0..1."""
        config = self.config
        log_ratio = noise.normal(count) * config.log_noise_deviation + config.log_noise_mean
        times: Tensor = path.time_of(log_ratio.exp()).clamp(0, 1)
        return times

    def weights(self, path: Path, time: Tensor) -> Tensor:
        """Return the paper's weight, times the square of sigma over the determinant."""
        scaled = (path.alpha(time) * DATA_DEVIATION) ** 2
        weights: Tensor = (path.sigma(time) ** 2 + scaled) / (
            DATA_DEVIATION * path.determinant(time)
        ) ** 2
        return weights
