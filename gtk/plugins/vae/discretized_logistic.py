"""Every pixel as a logistic distribution, rounded to the 256 levels that it is stored in."""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

#: Half the distance of two levels in 0..1.
HALF_LEVEL = 0.5 / 255
#: Bounds the scale softly from below: a tenth of a level.
LEAST_LOG_SCALE = math.log(0.1 / 255)
#: Where the log scale starts: about an eighth of the range.
FIRST_LOG_SCALE = math.log(1 / 8)
#: Beyond this many times the range all levels are equally likely, and less than float32 can tell.
MOST_LOG_SCALE = math.log(100)


class DiscretizedLogistic:
    """The probability of a level is that of its interval; the first and last reach to infinity.

    Kingma et al., Improving Variational Inference with Inverse Autoregressive Flow
    (arXiv:1606.04934), section 6.1; Salimans et al., PixelCNN++ (arXiv:1701.05517), equation 2.
    The decoder puts out the means, then as many maps for the log scales.
    """

    def channels(self, image_channels: int) -> int:
        """Return two maps for each of the image's."""
        return 2 * image_channels

    def mean(self, parameters: Tensor) -> Tensor:
        """Cut the logistic's means (B, C, H, W) off at 0 and 1."""
        return parameters.chunk(2, dim=1)[0].clamp(0, 1)

    def log_prob(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return log P(images) in nats, summed over channels and pixels: (B,).

        Of an interval from b to a, in units of the scale, sigmoid(a) - sigmoid(b) is
        sigmoid(a) sigmoid(-b) (1 - exp(b - a)), and the logarithm of each factor is exact however
        far out the interval lies.
        """
        mean, raw = parameters.float().chunk(2, dim=1)
        log_scale = LEAST_LOG_SCALE + softplus(raw + (FIRST_LOG_SCALE - LEAST_LOG_SCALE))
        precision = torch.exp(-log_scale.clamp(max=MOST_LOG_SCALE))
        above = (images - mean + HALF_LEVEL) * precision
        below = (images - mean - HALF_LEVEL) * precision
        log_below_upper, log_above_lower = logsigmoid(above), logsigmoid(-below)
        log_width = torch.log(-torch.expm1(-2 * HALF_LEVEL * precision))
        first, last = images < HALF_LEVEL, images > 1 - HALF_LEVEL
        inside = log_below_upper + log_above_lower + log_width
        log_prob = torch.where(first, log_below_upper, torch.where(last, log_above_lower, inside))
        return log_prob.sum((1, 2, 3))
