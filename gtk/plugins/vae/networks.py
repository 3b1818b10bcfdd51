"""The networks of the variational autoencoder: encoder, decoder and prior."""

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from gtk.core.contracts.conditioner import Conditioner, Site
from gtk.core.contracts.normalization import Normalization
from gtk.core.values.setting import setting
from gtk.plugins.families.gaussian import DiagonalGaussian, StandardGaussian
from gtk.plugins.networks.layer import HiddenLayers, LayerMaker, run
from gtk.plugins.networks.perceptron import PerceptronDecoder
from gtk.plugins.networks.stage import ImageShape, Stage, sizes_down
from gtk.plugins.vae import VAEConfig

#: The activations, by name.
ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}
#: Halves a size, rounding up: fits images of every size.
HALVING = Stage(kernel=3, stride=2, padding=1)


class PerceptronEncoder(nn.Module):
    """Map images to mean and log variance of the posterior, by fully connected layers."""

    def __init__(
        self, maker: LayerMaker, image_shape: ImageShape, widths: Sequence[int], latent_dim: int
    ) -> None:
        super().__init__()
        self.layers = HiddenLayers(maker, prod(image_shape), widths)
        # One matrix for both halves: one product instead of two, the same parameters.
        self.head = nn.Linear(self.layers.out_features, 2 * latent_dim)

    def forward(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """Map images (B, C, H, W) and a condition to mean and log variance, (B, 2D)."""
        values: Tensor = self.head(self.layers(images.flatten(1), condition))
        return values


class ConvolutionalEncoder(HiddenLayers):
    """Map images to mean and log variance of the posterior; each convolution halves the size."""

    def __init__(
        self, maker: LayerMaker, image_shape: ImageShape, channels: Sequence[int], latent_dim: int
    ) -> None:
        stages = [HALVING] * len(channels)
        super().__init__(maker, image_shape[0], channels, stages)
        size = sizes_down(image_shape[1:], stages)[-1]
        self.head = nn.Linear(self.out_features * prod(size), 2 * latent_dim)

    def forward(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """Map images (B, C, H, W) and a condition to mean and log variance, (B, 2D)."""
        values: Tensor = self.head(super().forward(images, condition).flatten(1))
        return values


class ConvolutionalDecoder(nn.Module):
    """Map a latent code to the parameters of the pixels' likelihood.

    Fully connected layers make the smallest maps; every stage doubles their size with a transposed
    convolution and refines the result with one of stride 1. The last of these, right before the
    output, is not normalized: a normalization would remove the output's scale.

    Args:
        maker: makes the hidden layers.
        latent_dim: width D of the code.
        widths: of the fully connected layers before the one that makes the maps.
        channels: of each stage; the smallest maps have as many as the first.
        output_shape: (channels, H, W).
    """

    def __init__(
        self,
        maker: LayerMaker,
        latent_dim: int,
        widths: Sequence[int],
        channels: Sequence[int],
        output_shape: ImageShape,
    ) -> None:
        super().__init__()
        sizes = sizes_down(output_shape[1:], [HALVING] * len(channels))[::-1]
        self.smallest = (channels[0], *sizes[0])
        self.linear = HiddenLayers(maker, latent_dim, (*widths, prod(self.smallest)))
        if self.linear.out_features != prod(self.smallest):
            raise ValueError("a convolutional decoder needs layers that keep their width")
        self.hidden = nn.ModuleList()
        features = channels[0]
        for index, width in enumerate(channels):
            doubling = HALVING.transposed(features, width, sizes[index], sizes[index + 1])
            layer = maker.make(doubling, width, f"stage {index}")
            refining = nn.ConvTranspose2d(layer.out_features, width, 3, padding=1)
            last = index == len(channels) - 1
            refined = maker.make(refining, width, f"stage {index} again", normalized=not last)
            self.hidden.extend([layer, refined])
            features = refined.out_features
        self.head = nn.ConvTranspose2d(features, output_shape[0], 3, padding=1)

    def forward(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Map z (B, D) and a condition to (B, channels, H, W)."""
        maps = self.linear(z, condition).reshape(-1, *self.smallest)
        values: Tensor = self.head(run(self.hidden, maps, condition))
        return values


class StandardPrior(nn.Module):
    """p(z) = N(0, I), whatever the condition."""

    def forward(self, condition: Tensor | None) -> StandardGaussian:
        """Return N(0, I)."""
        return StandardGaussian()


class ConditionalPrior(nn.Module):
    """p(z | c): a learned Gaussian for every condition, initially N(0, I).

    Sohn, Lee and Yan, Learning Structured Output Representation (NeurIPS 2015), section 4.1.

    Args:
        latent_dim: D.
        conditioner: embeds the condition.

    Raises:
        ValueError: there is no condition.
    """

    def __init__(self, latent_dim: int, conditioner: Conditioner) -> None:
        super().__init__()
        if not conditioner.conditional:
            raise ValueError(
                f"a learned prior needs a condition: use {setting('prior', 'standard')}"
            )
        self.code = conditioner.embed(Site("prior", "input"), 2 * latent_dim, scale=0.0)

    def forward(self, condition: Tensor) -> DiagonalGaussian:
        """Map a condition to a Gaussian over z (B, D)."""
        mean, log_variance = self.code(condition).chunk(2, dim=1)
        return DiagonalGaussian(mean, log_variance)


def make_networks(
    config: VAEConfig, image_shape: ImageShape, output_channels: int, conditioner: Conditioner
) -> tuple[nn.Module, nn.Module]:
    """Return encoder and decoder for images (C, H, W); the decoder has `output_channels` maps.

    Normalizations follow the activations, as in the published system that `vae-conv` reproduces.
    """
    normalization = Normalization(config.normalization, config.norm_epsilon, config.norm_momentum)
    activation = ACTIVATIONS[config.activation]
    encoder, decoder = (
        LayerMaker(role, conditioner, normalization, activation, normalized_last=True)
        for role in ("encoder", "decoder")
    )
    widths, latent_dim = config.hidden_dims, config.latent_dim
    output_shape = (output_channels, *image_shape[1:])
    if config.network == "mlp":
        return (
            PerceptronEncoder(encoder, image_shape, widths, latent_dim),
            PerceptronDecoder(decoder, latent_dim, widths[::-1], output_shape),
        )
    channels = config.decoder_channels or config.channels[::-1]
    return (
        ConvolutionalEncoder(encoder, image_shape, config.channels, latent_dim),
        ConvolutionalDecoder(decoder, latent_dim, widths[::-1], channels, output_shape),
    )
