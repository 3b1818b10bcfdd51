"""Generative adversarial networks (Goodfellow et al., arXiv:1406.2661), conditional or not."""

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gtk.core.contracts.conditioner import Conditioner
from gtk.core.contracts.model import ExportPart, Model
from gtk.core.contracts.normalization import Normalization
from gtk.core.values.dataset import DataSpec
from gtk.core.values.image import Image
from gtk.core.values.noise import NoiseSpec
from gtk.core.values.value import Array, ports
from gtk.plugins.gan import GANConfig
from gtk.plugins.gan.convolution import ConvolutionalDiscriminator, ConvolutionalGenerator
from gtk.plugins.gan.perceptron import PerceptronDiscriminator, PerceptronGenerator
from gtk.plugins.networks.layer import LayerMaker
from gtk.plugins.networks.stage import Stage

#: Slope of the discriminator's activations below 0 (Radford, Metz and Chintala, arXiv:1511.06434).
SLOPE = 0.2


class AdversarialNetworks(Model):
    """A generator and a discriminator, of convolutional or fully connected layers.

    It is an `AdversarialModel`. The networks work in -1..1.

    Args:
        config: sizes.
        data_spec: the images' shape.
        conditioner: how the condition gets into both networks; with one that acts, this is the
            conditional GAN of Mirza and Osindero (arXiv:1411.1784).

    Raises:
        ValueError: the image is too small for so many layers.
    """

    def __init__(self, config: GANConfig, data_spec: DataSpec, conditioner: Conditioner) -> None:
        super().__init__()
        self.config = config
        self.noise = NoiseSpec((config.latent_dim,))
        self.image = Image(data_spec.image_shape)
        self.generator, self.discriminator = make_networks(
            config, data_spec.image_shape, conditioner
        )

    def networks(self) -> dict[str, nn.Module]:
        """Return generator and discriminator."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def parts(self) -> dict[str, nn.Module]:
        """Return both: each is trained by an optimizer of its own."""
        return self.networks()

    def to_network_range(self, images: Tensor) -> Tensor:
        """Map images (B, C, H, W) in 0..1 to -1..1."""
        return images * 2 - 1

    def generate(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        """Map noise (B, D) and a condition to images (B, C, H, W) in -1..1."""
        images: Tensor = self.generator(noise, condition)
        return images

    def discriminate(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """Map images (B, C, H, W) in -1..1 and a condition to the logits of being real (B,)."""
        score: Tensor = self.discriminator(images, condition)
        return score

    def scores_alone(self) -> bool:
        """Say whether the discriminator has no batch normalization."""
        return not any(isinstance(module, _BatchNorm) for module in self.discriminator.modules())

    def sample(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        """Map noise (B, D) and a condition to images (B, C, H, W) in 0..1."""
        return (self.generate(noise, condition) + 1) / 2

    def exports(self) -> dict[str, ExportPart]:
        """Return the generator and the discriminator, each with the condition where one acts."""
        noise, judged = ports(self.noise, self.condition), ports(self.image, self.condition)
        score = {"score": Array(())}
        return {
            "generator": ExportPart(GeneratedImage(self), noise, ports(self.image)),
            "discriminator": ExportPart(JudgedImage(self), judged, score, discriminated),
        }


class GeneratedImage(nn.Module):
    """The generator with its images in 0..1, as other programs want them."""

    def __init__(self, model: AdversarialNetworks) -> None:
        super().__init__()
        self.generator = model.generator

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map z (B, D) and a condition to images (B, C, H, W) in 0..1."""
        images: Tensor = (self.generator(z, condition) + 1) / 2
        return images


class JudgedImage(nn.Module):
    """The discriminator for images in 0..1, as other programs have them."""

    def __init__(self, model: AdversarialNetworks) -> None:
        super().__init__()
        self.discriminator = model.discriminator

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map images (B, C, H, W) in 0..1 and a condition to the logits of being real (B,)."""
        score: Tensor = self.discriminator(image * 2 - 1, condition)
        return score


def discriminated(
    model: AdversarialNetworks, image: Tensor, condition: Tensor | None = None
) -> Tensor:
    """Return what an exported discriminator has to give: the logits of being real (B,)."""
    return model.discriminate(model.to_network_range(image), condition)


def make_networks(
    config: GANConfig, image_shape: tuple[int, int, int], conditioner: Conditioner
) -> tuple[nn.Module, nn.Module]:
    """Return generator and discriminator.

    Args:
        config: sizes.
        image_shape: (C, H, W).
        conditioner: asked for layers.
    """
    generated = LayerMaker(
        "generator",
        conditioner,
        Normalization(config.generator_normalization),
        nn.ReLU,
        normalized_last=False,
    )
    judged = LayerMaker(
        "discriminator",
        conditioner,
        Normalization(config.discriminator_normalization),
        lambda: nn.LeakyReLU(SLOPE),
        normalized_last=False,
    )
    latent_dim, widths = config.latent_dim, config.hidden_dims
    if config.network == "mlp":
        return (
            PerceptronGenerator(generated, latent_dim, widths[::-1], image_shape),
            PerceptronDiscriminator(judged, image_shape, widths),
        )
    layers = len(config.channels)
    lists = (config.kernels, config.strides, config.paddings)
    stages = [
        Stage(*numbers)
        for numbers in zip(*(item * (layers // len(item)) for item in lists), strict=True)
    ]
    channels = config.generator_channels or config.channels[::-1]
    return (
        ConvolutionalGenerator(generated, latent_dim, channels, stages, image_shape),
        ConvolutionalDiscriminator(judged, image_shape, config.channels, stages),
    )
