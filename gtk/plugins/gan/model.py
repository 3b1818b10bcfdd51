"""Generative adversarial networks (Goodfellow et al., arXiv:1406.2661), conditional or not."""

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gtk.core.contracts.conditioner import Conditioner
from gtk.core.contracts.model import ExportPart, Model
from gtk.core.values.dataset import DataSpec
from gtk.core.values.image import Image
from gtk.core.values.noise import NoiseSpec
from gtk.core.values.value import Array, ports
from gtk.plugins.gan import GANConfig
from gtk.plugins.gan.networks import make_networks
from gtk.plugins.networks.spectral import fixed_weights


class AdversarialNetworks(Model):
    """A generator and a discriminator, of convolutional or fully connected layers.

    It is an `AdversarialModel`. The networks work in -1..1.

    Args:
        config: sizes.
        data_spec: provides the images' shape.
        conditioner: how the condition gets into both networks; a conditional one makes this the
            conditional GAN of Mirza and Osindero (arXiv:1411.1784).

    Raises:
        ValueError: the image is too small for the layers.
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
        """Return both: each has its own optimizer."""
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
        """Return whether the discriminator has no batch normalization."""
        return not any(isinstance(module, _BatchNorm) for module in self.discriminator.modules())

    def sample(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        """Map noise (B, D) and a condition to images (B, C, H, W) in 0..1."""
        return (self.generate(noise, condition) + 1) / 2

    def exports(self) -> dict[str, ExportPart]:
        """Return generator and discriminator, with the condition as an input if it acts."""
        noise, image = ports(self.noise, self.condition), ports(self.image, self.condition)
        score = {"score": Array(())}
        return {
            "generator": ExportPart(ExportedGenerator(self), noise, ports(self.image)),
            "discriminator": ExportPart(ExportedDiscriminator(self), image, score, reference_score),
        }


class ExportedGenerator(nn.Module):
    """The generator with images in 0..1, for other programs."""

    def __init__(self, model: AdversarialNetworks) -> None:
        super().__init__()
        self.generator = model.generator

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map z (B, D) and a condition to images (B, C, H, W) in 0..1."""
        images: Tensor = (self.generator(z, condition) + 1) / 2
        return images


class ExportedDiscriminator(nn.Module):
    """The discriminator for images in 0..1, from other programs."""

    def __init__(self, model: AdversarialNetworks) -> None:
        super().__init__()
        self.discriminator = fixed_weights(model.discriminator)

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map images (B, C, H, W) in 0..1 and a condition to the logits of being real (B,)."""
        score: Tensor = self.discriminator(image * 2 - 1, condition)
        return score


def reference_score(
    model: AdversarialNetworks, image: Tensor, condition: Tensor | None = None
) -> Tensor:
    """Return the logits of being real (B,) that an exported discriminator must reproduce."""
    return model.discriminate(model.to_network_range(image), condition)
