"""The model: an autoencoder with a codebook in its middle, and a prior over the codes."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import gtk
from gtk_plugin_vqvae import VQVAEConfig
from gtk_plugin_vqvae.autoencoder import Decoder, Encoder, map_sizes, straight_through
from gtk_plugin_vqvae.codebook import Codebook
from gtk_plugin_vqvae.exports import export_parts
from gtk_plugin_vqvae.prior import Prior, gumbel_noise


@dataclass(frozen=True)
class Quantized:
    """Images on their way through codes and back.

    Attributes:
        features: of the encoder, (B, D, h, w).
        codes: the nearest vectors' numbers, (B, h, w), int64.
        vectors: these vectors, (B, D, h, w).
        logits: of the pixels, (B, C, H, W); their gradient passes the codebook by.
    """

    features: Tensor
    codes: Tensor
    vectors: Tensor
    logits: Tensor


class VQVAE(gtk.Model):
    """Codes of an image, the image of codes, and a prior over codes that takes the condition.

    Args:
        config: sizes.
        data_spec: the images' shape.
        conditioner: embeds the condition for the prior, the one network that takes it.

    Raises:
        ValueError: images of less than 8 pixels in height or width.
    """

    unconditioned = ("encoder", "decoder")

    def __init__(
        self, config: VQVAEConfig, data_spec: gtk.DataSpec, conditioner: gtk.Conditioner
    ) -> None:
        super().__init__()
        if min(data_spec.height, data_spec.width) < 8:
            raise ValueError(
                f"images of {data_spec.height}x{data_spec.width} pixels are too small for codes, "
                "8x8 are the least"
            )
        self.config = config
        sizes = map_sizes((data_spec.height, data_spec.width), config.halvings)
        self.size = sizes[-1]
        self.noise = gtk.NoiseSpec((self.size[0] * self.size[1], config.codes, 2))
        self.encoder = Encoder(data_spec.channels, config.channels, len(sizes) - 1, config.code_dim)
        self.codebook = Codebook(config.codes, config.code_dim, config.codebook_decay)
        self.decoder = Decoder(data_spec.channels, config.channels, sizes, config.code_dim)
        self.prior = Prior(
            config.codes, self.size, config.prior_features, config.prior_dropout, conditioner
        )

    def networks(self) -> dict[str, nn.Module]:
        """Return encoder, decoder and prior."""
        return {"encoder": self.encoder, "decoder": self.decoder, "prior": self.prior}

    def parts(self) -> dict[str, nn.Module]:
        """Return the autoencoder, which is trained on images, and the prior, on their codes."""
        autoencoder = nn.ModuleList([self.encoder, self.codebook, self.decoder])
        return {"autoencoder": autoencoder, "prior": self.prior}

    def after_update(self, part: str, statistics: Mapping[str, Tensor]) -> None:
        """Have the codebook follow the features that the autoencoder was trained on."""
        if part == "autoencoder":
            self.codebook.learn(statistics)

    def autoencode(self, images: Tensor) -> Quantized:
        """Send images (B, C, H, W) in 0..1 through codes and back."""
        features = self.encoder(images)
        codes = self.codebook.nearest(features)
        vectors = self.codebook.look_up(codes)
        logits = self.decoder(straight_through(features, vectors))
        return Quantized(features, codes, vectors, logits)

    def codebook_statistics(self, quantized: Quantized, order: Tensor) -> dict[str, Tensor]:
        """Return what the codebook learns from a batch: see `Codebook.statistics`."""
        return self.codebook.statistics(quantized.features, quantized.codes, order)

    def prior_nats(self, codes: Tensor, condition: Tensor | None) -> Tensor:
        """Return -log p(codes | condition) of codes (B, h, w), int64: (B,)."""
        return self.prior.nats(codes, condition)

    def encode(self, images: Tensor) -> Tensor:
        """Map images (B, C, H, W) in 0..1 to codes (B, h, w), int64."""
        return self.codebook.nearest(self.encoder(images))

    def decode(self, codes: Tensor) -> Tensor:
        """Map codes (B, h, w), int64, to images (B, C, H, W) in 0..1."""
        return torch.sigmoid(self.decoder(self.codebook.look_up(codes)))

    def reconstruct(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """Send images (B, C, H, W) in 0..1 through their codes and back; all conditions alike."""
        return self.decode(self.encode(images))

    def draw(self, noise: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Map noise (B, hw, K, 2) and a condition to codes and scores: see `Prior.draw`."""
        return self.prior.draw(gumbel_noise(noise), condition)

    def sample(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        """Map noise (B, hw, K, 2) and a condition to images (B, C, H, W) in 0..1."""
        codes, _ = self.draw(noise, condition)
        return self.decode(codes)

    def exports(self) -> dict[str, gtk.ExportPart]:
        """Return sampler, decoder and encoder: see `export_parts`."""
        return export_parts(self)
