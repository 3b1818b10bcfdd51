"""Generator and discriminator: fully connected or convolutional."""

from collections.abc import Sequence
from functools import partial
from math import prod

from torch import Tensor, nn

from gtk.core.contracts.conditioner import Conditioner, Site
from gtk.core.contracts.normalization import Normalization
from gtk.plugins.gan import GANConfig
from gtk.plugins.networks.layer import ConditionedLayer, HiddenLayers, LayerMaker, run
from gtk.plugins.networks.perceptron import PerceptronDecoder
from gtk.plugins.networks.spectral import normalize_weights
from gtk.plugins.networks.stage import ImageShape, Stage, sizes_down

#: Slope of the discriminator's activations below 0 (Radford, Metz and Chintala, arXiv:1511.06434).
SLOPE = 0.2


class PerceptronGenerator(PerceptronDecoder):
    """Map noise (B, D) and a condition to images (B, C, H, W) in -1..1."""

    def output(self, values: Tensor) -> Tensor:
        """Bound the pixels."""
        return values.tanh()


class PerceptronDiscriminator(nn.Module):
    """Map images to scores, by fully connected layers."""

    def __init__(self, maker: LayerMaker, image_shape: ImageShape, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = HiddenLayers(maker, prod(image_shape), widths, normalize_first=False)
        self.head = nn.Linear(self.layers.out_features, 1)
        self.score = maker.conditioner.score(Site(maker.role, "score"), self.layers.out_features)

    def forward(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """Map images (B, C, H, W) in -1..1 and a condition to logits (B,)."""
        features = self.layers(images.flatten(1), condition)
        score: Tensor = self.score(self.head(features)[:, 0], features, condition)
        return score


class ConvolutionalGenerator(nn.Module):
    """Map noise, as maps of one pixel, to images by transposed convolutions.

    The first makes the smallest maps; each of the others undoes a stage of the discriminator.

    Args:
        maker: makes the hidden layers.
        latent_dim: width of the noise.
        channels: of the hidden layers, from the noise outwards; as many as stages.
        stages: of the discriminator, from the image inwards.
        image_shape: (C, H, W).

    Raises:
        ValueError: the image is too small for the stages.
    """

    def __init__(
        self,
        maker: LayerMaker,
        latent_dim: int,
        channels: Sequence[int],
        stages: Sequence[Stage],
        image_shape: ImageShape,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        sizes = sizes_down(image_shape[1:], stages)[::-1]
        self.input = maker.conditioner.input(Site(maker.role, "input"), latent_dim)
        transposed: nn.Module = nn.ConvTranspose2d(self.input.out_features, channels[0], sizes[0])
        self.hidden = nn.ModuleList()
        widths = [*channels[1:], image_shape[0]]
        for index, stage in enumerate(reversed(stages)):
            layer = maker.make(transposed, channels[index], f"hidden {index}")
            self.hidden.append(layer)
            transposed = stage.transposed(
                layer.out_features, widths[index], sizes[index], sizes[index + 1]
            )
        self.head = transposed

    def forward(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        """Map noise (B, D) and a condition to images (B, C, H, W) in -1..1."""
        maps = self.input(noise, condition)[:, :, None, None]
        images: Tensor = self.head(run(self.hidden, maps, condition))
        return images.tanh()


class ConvolutionalDiscriminator(HiddenLayers):
    """Map images to scores, by convolutions; `ValueError` if the image is too small for them."""

    def __init__(
        self,
        maker: LayerMaker,
        image_shape: ImageShape,
        channels: Sequence[int],
        stages: Sequence[Stage],
    ) -> None:
        super().__init__(maker, image_shape[0], channels, stages, normalize_first=False)
        # The kernel of the last convolution covers its whole input.
        self.head = nn.Conv2d(self.out_features, 1, sizes_down(image_shape[1:], stages)[-1])
        self.score = maker.conditioner.score(Site(maker.role, "score"), self.out_features)

    def forward(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """Map images (B, C, H, W) in -1..1 and a condition to logits (B,)."""
        maps = super().forward(images, condition)
        score: Tensor = self.score(self.head(maps).flatten(), maps.sum((2, 3)), condition)
        return score


def make_networks(
    config: GANConfig, image_shape: ImageShape, conditioner: Conditioner
) -> tuple[nn.Module, nn.Module]:
    """Return generator and discriminator for images (C, H, W)."""
    generator, discriminator = make_plain_networks(config, image_shape, conditioner)
    if config.discriminator_normalization == "spectral":
        normalize_weights(weighted_layers(discriminator))
    return generator, discriminator


def weighted_layers(discriminator: nn.Module) -> list[nn.Module]:
    """Return the modules through whose weights an image reaches the discriminator's score.

    These are hidden layers, the head, and the conditioner's layer behind the score, a projection
    say, as in arXiv:1802.05637. Weights that a conditioner has elsewhere are left out: a code
    beside the input does not act on the image, and the scales of `film` start at 0.
    """
    modules = dict(discriminator.named_modules())
    hidden = [item.transform for item in modules.values() if isinstance(item, ConditionedLayer)]
    return [*hidden, modules["head"], *modules["score"].modules()]


def make_plain_networks(
    config: GANConfig, image_shape: ImageShape, conditioner: Conditioner
) -> tuple[nn.Module, nn.Module]:
    """Return generator and discriminator with weights that are not normalized."""
    leaky_relu = partial(nn.LeakyReLU, SLOPE)
    generator = LayerMaker(
        "generator", conditioner, Normalization(config.generator_normalization), nn.ReLU
    )
    name = config.discriminator_normalization
    normalization = Normalization("none" if name == "spectral" else name)
    discriminator = LayerMaker("discriminator", conditioner, normalization, leaky_relu)
    latent_dim, widths = config.latent_dim, config.hidden_dims
    if config.network == "mlp":
        return (
            PerceptronGenerator(generator, latent_dim, widths[::-1], image_shape),
            PerceptronDiscriminator(discriminator, image_shape, widths),
        )
    layers = len(config.channels)
    settings = (config.kernels, config.strides, config.paddings)
    stages = [
        Stage(*numbers)
        for numbers in zip(*(item * (layers // len(item)) for item in settings), strict=True)
    ]
    channels = config.generator_channels or config.channels[::-1]
    return (
        ConvolutionalGenerator(generator, latent_dim, channels, stages, image_shape),
        ConvolutionalDiscriminator(discriminator, image_shape, config.channels, stages),
    )
