"""Every pixel as a Gaussian, its variance fixed or learned."""

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

#: No pixel's standard deviation is taken to be less than one level of an 8-bit image: a density
#: has no upper bound, and pixels that never change would draw the whole loss to them.
LEAST_LOG_VARIANCE = 2 * math.log(1 / 255)
#: Where a learned log variance starts: a standard deviation of a quarter of the range.
FIRST_LOG_VARIANCE = 2 * math.log(1 / 4)


class FixedGaussian:
    """N(mean, variance) for every pixel; the decoder puts out the means.

    Args:
        variance: of every pixel, which is in 0..1.
    """

    def __init__(self, variance: float) -> None:
        self.variance = variance

    def channels(self, image_channels: int) -> int:
        """Return as many maps as the image has."""
        return image_channels

    def mean(self, parameters: Tensor) -> Tensor:
        """Cut the means off at 0 and 1."""
        return parameters.clamp(0, 1)

    def log_prob(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return the log density at the images in nats, summed: two (B, C, H, W) to (B,)."""
        squared = (images - parameters.float()).square()
        constant = math.log(2 * math.pi * self.variance)
        return -0.5 * (squared / self.variance + constant).sum((1, 2, 3))


class LearnedGaussian:
    """N(mean, variance) with a variance of its own for every pixel of every image.

    The decoder puts out the means, then as many maps for the log variances.
    """

    def channels(self, image_channels: int) -> int:
        """Return two maps for each of the image's."""
        return 2 * image_channels

    def mean(self, parameters: Tensor) -> Tensor:
        """Cut the means (B, C, H, W) off at 0 and 1."""
        return parameters.chunk(2, dim=1)[0].clamp(0, 1)

    def log_variance(self, parameters: Tensor) -> Tensor:
        """Map parameters (B, 2C, H, W) to log variances (B, C, H, W), softly bounded below."""
        raw = parameters.chunk(2, dim=1)[1].float()
        excess = softplus(raw + (FIRST_LOG_VARIANCE - LEAST_LOG_VARIANCE))
        return LEAST_LOG_VARIANCE + excess

    def log_prob(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return the log density at the images in nats, summed: (B,)."""
        mean = parameters.chunk(2, dim=1)[0].float()
        log_variance = self.log_variance(parameters)
        squared = (images - mean).square() * torch.exp(-log_variance)
        return -0.5 * (squared + log_variance + math.log(2 * math.pi)).sum((1, 2, 3))
