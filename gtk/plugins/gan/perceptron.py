"""Generator and discriminator of fully connected layers."""

from math import prod

from torch import Tensor, nn

from gtk.core.contracts.conditioner import Site
from gtk.plugins.networks.layer import LayerMaker
from gtk.plugins.networks.perceptron import Perceptron


class PerceptronGenerator(nn.Module):
    """Noise to images.

    Args:
        maker: of the hidden layers.
        latent_dim: width of the noise.
        widths: of the hidden layers.
        image_shape: (C, H, W).
    """

    def __init__(
        self,
        maker: LayerMaker,
        latent_dim: int,
        widths: tuple[int, ...],
        image_shape: tuple[int, int, int],
    ) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.layers = Perceptron(maker, latent_dim, widths)
        self.head = nn.Linear(self.layers.out_features, prod(image_shape))

    def forward(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        """Map noise (B, D) and a condition to images (B, C, H, W) in -1..1."""
        values: Tensor = self.head(self.layers(noise, condition))
        return values.tanh().reshape(-1, *self.image_shape)


class PerceptronDiscriminator(nn.Module):
    """Images to scores.

    Args:
        maker: of the hidden layers.
        image_shape: (C, H, W).
        widths: of the hidden layers.
    """

    def __init__(
        self, maker: LayerMaker, image_shape: tuple[int, int, int], widths: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.layers = Perceptron(maker, prod(image_shape), widths, normalize_first=False)
        self.head = nn.Linear(self.layers.out_features, 1)
        self.score = maker.conditioner.score(Site(maker.role, "score"), self.layers.out_features)

    def forward(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """Map images (B, C, H, W) in -1..1 and a condition to logits (B,)."""
        features = self.layers(images.flatten(1), condition)
        score: Tensor = self.score(self.head(features)[:, 0], features, condition)
        return score
