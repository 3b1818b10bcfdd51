"""Encoder and decoder of fully connected layers."""

from math import prod

from torch import Tensor, nn

from gtk.plugins.networks.layer import LayerMaker
from gtk.plugins.networks.perceptron import Perceptron


class PerceptronEncoder(nn.Module):
    """Images to the two halves of a Gaussian.

    Args:
        maker: of the hidden layers.
        image_shape: (C, H, W).
        widths: of the hidden layers.
        latent_dim: D.
    """

    def __init__(
        self,
        maker: LayerMaker,
        image_shape: tuple[int, int, int],
        widths: tuple[int, ...],
        latent_dim: int,
    ) -> None:
        super().__init__()
        self.layers = Perceptron(maker, prod(image_shape), widths)
        # One matrix for both halves: one product instead of two, the same parameters.
        self.head = nn.Linear(self.layers.out_features, 2 * latent_dim)

    def forward(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """Map images (B, C, H, W) and a condition to mean and log variance, (B, 2D)."""
        values: Tensor = self.head(self.layers(images.flatten(1), condition))
        return values


class PerceptronDecoder(nn.Module):
    """A latent code to the parameters of the pixels' likelihood.

    Args:
        maker: of the hidden layers.
        latent_dim: D.
        widths: of the hidden layers.
        output_shape: (channels, H, W).
    """

    def __init__(
        self,
        maker: LayerMaker,
        latent_dim: int,
        widths: tuple[int, ...],
        output_shape: tuple[int, int, int],
    ) -> None:
        super().__init__()
        self.output_shape = output_shape
        self.layers = Perceptron(maker, latent_dim, widths)
        self.head = nn.Linear(self.layers.out_features, prod(output_shape))

    def forward(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Map z (B, D) and a condition to (B, channels, H, W)."""
        values: Tensor = self.head(self.layers(z, condition))
        return values.reshape(-1, *self.output_shape)
