"""The protocol of models with a latent code."""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from torch import Tensor

from gtk.core.values.image import Image
from gtk.plugins.families.gaussian import DiagonalGaussian, StandardGaussian


@runtime_checkable
class LatentVariableModel(Protocol):
    """A model p(x | z) p(z) with a posterior q(z | x), each given the condition.

    A model whose pixels are binary may have `binarizes = True`: the losses and metrics of gtk then
    give it images whose pixels are 1 with the probability of their level, else 0, drawn anew each
    time.
    """

    def encode(self, images: Tensor, condition: Tensor | None) -> DiagonalGaussian:
        """Map images (B, C, H, W) in 0..1 and a condition to the posterior over z (B, D)."""

    def decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Map z (B, D) and a condition to the parameters of the likelihood (B, ..., H, W)."""

    def prior(self, condition: Tensor | None) -> DiagonalGaussian | StandardGaussian:
        """Return the prior over z given a condition."""

    def log_likelihood(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return log p(images | parameters) in nats, per image: (B,)."""

    def expected_image(self, parameters: Tensor) -> Tensor:
        """Map the parameters of the likelihood to the expected image (B, C, H, W) in 0..1."""


@runtime_checkable
class DrawnLikelihoodModel(LatentVariableModel, Protocol):
    """A model with a latent code whose likelihood p(x | z) can be drawn from.

    It has `image`, a `gtk.Image` of the images' shape.
    """

    if TYPE_CHECKING:  # issubclass() takes protocols of methods alone
        image: Image

    def draw_image(self, parameters: Tensor, noise: Tensor) -> Tensor:
        """Map the parameters of the likelihood and standard normal noise to images in 0..1.

        Noise and images are (B, C, H, W). A pure function: the same noise gives the same images.
        """
