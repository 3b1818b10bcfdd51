"""What a decoder's output says about an image: the likelihoods p(x | z) to choose from."""

from typing import Literal, Protocol

from torch import Tensor

from gtk.plugins.vae.bernoulli import Bernoulli
from gtk.plugins.vae.discretized_logistic import DiscretizedLogistic
from gtk.plugins.vae.gaussian_likelihood import FixedGaussian, LearnedGaussian

LikelihoodName = Literal["bernoulli", "gaussian", "learned-gaussian", "discretized-logistic"]


class Likelihood(Protocol):
    """A distribution of images that a decoder's output parametrizes."""

    def channels(self, image_channels: int) -> int:
        """Return how many maps a decoder has to put out."""

    def mean(self, parameters: Tensor) -> Tensor:
        """Map parameters (B, channels, H, W) to the expected image (B, C, H, W) in 0..1."""

    def log_prob(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return log p(images) in nats, summed over channels and pixels: (B,), in float32."""


def make_likelihood(name: LikelihoodName, variance: float) -> Likelihood:
    """Return the likelihood of that name; `variance` is the fixed Gaussian's."""
    if name == "gaussian":
        return FixedGaussian(variance)
    if name == "learned-gaussian":
        return LearnedGaussian()
    if name == "discretized-logistic":
        return DiscretizedLogistic()
    return Bernoulli()
