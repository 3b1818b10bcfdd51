"""The likelihood of binary pixels, which is the cross-entropy of grey ones."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Bernoulli:
    """Bernoulli pixels; the decoder outputs their logits.

    For grey levels it is the usual cross-entropy, which is a bound only for binary pixels.
    """

    def channels(self, image_channels: int) -> int:
        """Return one map for each of the image's."""
        return image_channels

    def mean(self, logits: Tensor) -> Tensor:
        """Map logits to the expected image, in 0..1."""
        return torch.sigmoid(logits)

    def draw(self, logits: Tensor, noise: Tensor) -> Tensor:
        """Return 1 where the normal quantile of the noise, from above, is within the mean."""
        above = (1 - torch.erf(noise / math.sqrt(2))) / 2
        return (above < torch.sigmoid(logits)).to(logits.dtype)

    def log_prob(self, logits: Tensor, images: Tensor) -> Tensor:
        """Return log p(images) in nats, in float32, summed over channels and pixels: (B,)."""
        log_prob: Tensor = _BernoulliLogProb.apply(logits.float(), images)
        return log_prob


class BinarizedBernoulli(Bernoulli):
    """Bernoulli pixels of images that are binarized before the model observes them.

    So its `log_prob` is always that of binary pixels: a likelihood, which grey ones lack.
    """


class _BernoulliLogProb(torch.autograd.Function):
    """x l - softplus(l), summed per image; its gradient by the logits is x - sigmoid(l).

    It equals torch's binary_cross_entropy_with_logits up to rounding, forward in a fifth of the
    time on the CPU: torch uses log1p, which is not vectorized there and takes a third of a step.
    softplus(l) = max(l, 0) - log sigmoid(|l|) needs only the log of numbers in 1/2..1, which is
    accurate at either end.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, images: Tensor) -> Tensor:  # noqa: ANN401 - torch's own
        """Map (B, C, H, W) twice to (B,)."""
        ctx.save_for_backward(logits, images)
        # In place: at this size allocation costs as much as arithmetic.
        minus_softplus = logits.abs().sigmoid_().log_().sub_(logits.relu())
        return minus_softplus.addcmul_(images, logits).sum((1, 2, 3))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401 - torch's own
        """Map the gradient (B,) to the gradient by the logits."""
        logits, images = ctx.saved_tensors
        by_logits = logits.sigmoid().sub_(images)
        return by_logits.mul_(-gradient[:, None, None, None]), None
