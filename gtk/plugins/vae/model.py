"""The variational autoencoder (Kingma and Welling, arXiv:1312.6114), conditional or not."""

from math import prod

from torch import Tensor, nn

from gtk.core.conditioner import Conditioner
from gtk.core.data import DataSpec
from gtk.core.model import ExportPart, Model
from gtk.core.noise import NoiseSpec
from gtk.plugins.vae import VAEConfig
from gtk.plugins.vae.gaussian import DiagonalGaussian, StandardGaussian
from gtk.plugins.vae.likelihood import Bernoulli
from gtk.plugins.vae.network import Decoder, Encoder


class VariationalAutoencoder(Model):
    """An encoder and a decoder of fully connected layers; a `LatentVariableModel`.

    Args:
        config: sizes.
        data_spec: the images' shape.
        conditioner: how labels get into both networks; with one that acts, this is the CVAE of
            Sohn, Lee and Yan (NeurIPS 2015), with a prior that does not depend on the label.
    """

    def __init__(self, config: VAEConfig, data_spec: DataSpec, conditioner: Conditioner) -> None:
        super().__init__()
        self.config = config
        self.noise = NoiseSpec((config.latent_dim,))
        self.likelihood = Bernoulli()
        shape, widths, latent = data_spec.image_shape, config.hidden_dims, config.latent_dim
        self.encoder = Encoder(prod(shape), widths, latent, conditioner)
        self.decoder = Decoder(latent, widths[::-1], shape, conditioner)

    def networks(self) -> dict[str, nn.Module]:
        """Return encoder and decoder."""
        return {"encoder": self.encoder, "decoder": self.decoder}

    def encode(self, images: Tensor, condition: Tensor | None) -> DiagonalGaussian:
        """Map images (B, C, H, W) in 0..1 and labels (B,) to the posterior over z (B, D)."""
        return DiagonalGaussian(*self.encoder(images, condition))

    def decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Map z (B, D) and labels (B,) to the pixels' logits (B, C, H, W)."""
        logits: Tensor = self.decoder(z, condition)
        return logits

    def expected_image(self, parameters: Tensor) -> Tensor:
        """Map the likelihood's parameters to the expected image in 0..1."""
        return self.likelihood.mean(parameters)

    def prior(self, condition: Tensor | None) -> StandardGaussian:
        """Return N(0, I)."""
        return StandardGaussian()

    def log_likelihood(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return log p(images | parameters) in nats: (B,)."""
        return self.likelihood.log_prob(parameters, images)

    def sample(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        """Map noise (B, D) and labels (B,) to expected images (B, C, H, W) in 0..1."""
        z = self.prior(condition).transform(noise)
        return self.likelihood.mean(self.decode(z, condition))

    def exports(self) -> dict[str, ExportPart]:
        """Return the decoder: z, and the label where one acts, to an image."""
        inputs = ("z", "label") if self.condition is not None else ("z",)
        return {"decoder": ExportPart(DecodedImage(self), inputs, "image")}


class DecodedImage(nn.Module):
    """The decoder with the likelihood's mean behind it, as other programs want it."""

    def __init__(self, model: VariationalAutoencoder) -> None:
        super().__init__()
        self.decoder = model.decoder
        self.likelihood = model.likelihood

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Map z (B, D) and labels (B,) to images (B, C, H, W) in 0..1."""
        return self.likelihood.mean(self.decoder(z, label))
