"""The likelihoods p(x | z): distributions of images, parametrized by a decoder's output."""

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from gtk.plugins.vae import LikelihoodName
from gtk.plugins.vae.bernoulli import Bernoulli, BinarizedBernoulli

#: The least standard deviation is one level of an 8-bit image: a density has no upper bound, and
#: pixels that never change would dominate the loss.
LEAST_LOG_VARIANCE = 2 * math.log(1 / 255)
#: Where a learned log variance starts: a standard deviation of a quarter of the range.
FIRST_LOG_VARIANCE = 2 * math.log(1 / 4)
#: Half the distance between two levels in 0..1.
HALF_LEVEL = 0.5 / 255
#: Bounds the logistic's scale softly from below: a tenth of a level.
LEAST_LOG_SCALE = math.log(0.1 / 255)
#: Where the log scale starts: about an eighth of the range.
FIRST_LOG_SCALE = math.log(1 / 8)
#: At a larger scale all levels are equally likely, and their mass underflows float32.
MOST_LOG_SCALE = math.log(100)
#: In float32 erf is 1 from a noise of 5.5 on, where a quantile would be infinite.
MOST_ERF = 1 - 2**-23


class Likelihood(Protocol):
    """A distribution of images that a decoder's output parametrizes."""

    def channels(self, image_channels: int) -> int:
        """Return the number of maps that a decoder outputs."""

    def mean(self, parameters: Tensor) -> Tensor:
        """Map parameters (B, channels, H, W) to the expected image (B, C, H, W) in 0..1."""

    def draw(self, parameters: Tensor, noise: Tensor) -> Tensor:
        """Map parameters and standard normal noise to images in 0..1, both (B, C, H, W).

        Each pixel increases with its noise: it is the quantile that the noise is of the normal.
        """

    def log_prob(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return log p(images) in nats, summed over channels and pixels: (B,), in float32."""


class FixedGaussian:
    """N(mean, variance) for every pixel; the decoder outputs the means.

    Args:
        variance: of every pixel, which is in 0..1.
    """

    def __init__(self, variance: float) -> None:
        self.variance = variance

    def channels(self, image_channels: int) -> int:
        """Return one map for each of the image's."""
        return image_channels

    def mean(self, parameters: Tensor) -> Tensor:
        """Clamp the means to 0..1."""
        return parameters.clamp(0, 1)

    def draw(self, parameters: Tensor, noise: Tensor) -> Tensor:
        """Add noise of this variance, and clamp to 0..1."""
        return (parameters + math.sqrt(self.variance) * noise).clamp(0, 1)

    def log_prob(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return the log density at the images in nats, summed: two (B, C, H, W) to (B,)."""
        squared = (images - parameters.float()).square()
        constant = math.log(2 * math.pi * self.variance)
        return -0.5 * (squared / self.variance + constant).sum((1, 2, 3))


class MeanAndScale:
    """A likelihood whose decoder outputs the means, then as many maps for the log scales."""

    def channels(self, image_channels: int) -> int:
        """Return two maps for each of the image's."""
        return 2 * image_channels

    def mean(self, parameters: Tensor) -> Tensor:
        """Clamp the means (B, C, H, W) to 0..1."""
        return parameters.chunk(2, dim=1)[0].clamp(0, 1)


class LearnedGaussian(MeanAndScale):
    """N(mean, variance) with a variance of its own for every pixel of every image."""

    def log_variance(self, parameters: Tensor) -> Tensor:
        """Map parameters (B, 2C, H, W) to log variances (B, C, H, W), softly bounded below."""
        raw = parameters.chunk(2, dim=1)[1].float()
        excess = softplus(raw + (FIRST_LOG_VARIANCE - LEAST_LOG_VARIANCE))
        return LEAST_LOG_VARIANCE + excess

    def draw(self, parameters: Tensor, noise: Tensor) -> Tensor:
        """Add noise of the variance of each pixel, and clamp to 0..1."""
        deviation = torch.exp(0.5 * self.log_variance(parameters))
        return (parameters.chunk(2, dim=1)[0] + deviation * noise).clamp(0, 1)

    def log_prob(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return the log density at the images in nats, summed: (B,)."""
        mean = parameters.chunk(2, dim=1)[0].float()
        log_variance = self.log_variance(parameters)
        squared = (images - mean).square() * torch.exp(-log_variance)
        return -0.5 * (squared + log_variance + math.log(2 * math.pi)).sum((1, 2, 3))


class DiscretizedLogistic(MeanAndScale):
    """P(level) is the mass of its interval; the first and the last interval reach to infinity.

    Kingma et al., Improving Variational Inference with Inverse Autoregressive Flow
    (arXiv:1606.04934), section 6.1; Salimans et al., PixelCNN++ (arXiv:1701.05517), equation 2.
    """

    def log_scale(self, parameters: Tensor) -> Tensor:
        """Map parameters (B, 2C, H, W) to log scales (B, C, H, W), softly bounded below."""
        raw = parameters.chunk(2, dim=1)[1].float()
        log_scale = LEAST_LOG_SCALE + softplus(raw + (FIRST_LOG_SCALE - LEAST_LOG_SCALE))
        return log_scale.clamp(max=MOST_LOG_SCALE)

    def draw(self, parameters: Tensor, noise: Tensor) -> Tensor:
        """Return the logistic's quantile; rounding it to 255 levels draws the level.

        The logit of a normal quantile is log((1 + e) / (1 - e)), where e is erf(noise / sqrt 2).
        """
        e = torch.erf(noise / math.sqrt(2)).clamp(-MOST_ERF, MOST_ERF)
        logit = torch.log1p(e) - torch.log1p(-e)
        mean = parameters.chunk(2, dim=1)[0]
        return (mean + torch.exp(self.log_scale(parameters)) * logit).clamp(0, 1)

    def log_prob(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return log P(images) in nats, summed over channels and pixels: (B,).

        Of an interval from b to a, in units of the scale, sigmoid(a) - sigmoid(b) is
        sigmoid(a) sigmoid(-b) (1 - exp(b - a)), and the logarithm of each factor is exact however
        far out the interval lies.
        """
        mean = parameters.float().chunk(2, dim=1)[0]
        precision = torch.exp(-self.log_scale(parameters))
        above = (images - mean + HALF_LEVEL) * precision
        below = (images - mean - HALF_LEVEL) * precision
        log_below_upper, log_above_lower = logsigmoid(above), logsigmoid(-below)
        log_width = torch.log(-torch.expm1(-2 * HALF_LEVEL * precision))
        first, last = images < HALF_LEVEL, images > 1 - HALF_LEVEL
        inside = log_below_upper + log_above_lower + log_width
        log_prob = torch.where(first, log_below_upper, torch.where(last, log_above_lower, inside))
        return log_prob.sum((1, 2, 3))


def make_likelihood(name: LikelihoodName, variance: float) -> Likelihood:
    """Return a likelihood by its name; `variance` is that of the fixed Gaussian."""
    if name == "gaussian":
        return FixedGaussian(variance)
    if name == "learned-gaussian":
        return LearnedGaussian()
    if name == "discretized-logistic":
        return DiscretizedLogistic()
    return BinarizedBernoulli() if name == "binarized-bernoulli" else Bernoulli()
