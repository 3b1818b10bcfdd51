"""What a loss may call on a model with a latent code."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from gtk.plugins.vae.gaussian import DiagonalGaussian, StandardGaussian


@runtime_checkable
class LatentVariableModel(Protocol):
    """A model p(x | z) p(z) with a posterior q(z | x), each given the condition."""

    def encode(self, images: Tensor, condition: Tensor | None) -> DiagonalGaussian:
        """Map images (B, C, H, W) in 0..1 and labels (B,) to the posterior over z (B, D)."""

    def decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Map z (B, D) and labels (B,) to the parameters of the likelihood (B, C, H, W)."""

    def expected_image(self, parameters: Tensor) -> Tensor:
        """Map the likelihood's parameters to the expected image in 0..1."""

    def prior(self, condition: Tensor | None) -> StandardGaussian:
        """Return the prior over z given labels (B,)."""

    def log_likelihood(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return log p(images | parameters) in nats, per image: (B,)."""
