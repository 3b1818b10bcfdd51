"""What is worth exporting: images of noise, images of codes, and codes of images."""

from typing import TYPE_CHECKING

from torch import Tensor, nn

import gtk

if TYPE_CHECKING:
    from gtk_plugin_vqvae.model import VQVAE


class Part(nn.Module):
    """Something that a model computes, as a module.

    Args:
        model: whose.
    """

    def __init__(self, model: "VQVAE") -> None:
        super().__init__()
        self.model = model


class Sampler(Part):
    """Noise and a condition to images, by way of codes that are drawn within."""

    def forward(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map noise (B, hw, K, 2) and a condition to images (B, C, H, W) in 0..1."""
        return self.model.sample(noise, condition)


class CodesToImage(Part):
    """Codes to images."""

    def forward(self, codes: Tensor) -> Tensor:
        """Map codes (B, h, w), int64, to images (B, C, H, W) in 0..1."""
        return self.model.decode(codes)


class ImageToCodes(Part):
    """Images to codes."""

    def forward(self, image: Tensor) -> Tensor:
        """Map images (B, C, H, W) in 0..1 to codes (B, h, w), int64."""
        return self.model.encode(image)


def export_parts(model: "VQVAE") -> dict[str, gtk.ExportPart]:
    """Return the sampler, which is written unless told otherwise, the decoder and the encoder."""
    condition = () if model.condition is None else (model.condition.input_name,)
    codes = {"codes": gtk.Codes(model.size, model.config.codes)}
    return {
        "sampler": gtk.ExportPart(
            Sampler(model), ("noise", *condition), ("image",), margin=drawn_margin
        ),
        "decoder": gtk.ExportPart(
            CodesToImage(model), ("codes",), ("image",), decoded, prior="learned", codes=codes
        ),
        "encoder": gtk.ExportPart(
            ImageToCodes(model), ("image",), ("codes",), encoded, codes=codes, margin=encoded_margin
        ),
    }


def decoded(model: "VQVAE", codes: Tensor) -> Tensor:
    """Return what an exported decoder has to give: images (B, C, H, W) in 0..1."""
    return model.decode(codes)


def encoded(model: "VQVAE", image: Tensor) -> Tensor:
    """Return what an exported encoder has to give: codes (B, h, w), int64."""
    return model.encode(image)


def drawn_margin(model: "VQVAE", noise: Tensor, condition: Tensor | None = None) -> Tensor:
    """Return how far apart the two best codes of an image's closest choice are: (B,)."""
    _, sums = model.draw(noise, condition)
    return closest_choice(sums)


def encoded_margin(model: "VQVAE", image: Tensor) -> Tensor:
    """Return how far apart the two nearest vectors of an image's closest choice are: (B,)."""
    return closest_choice(model.codebook.scores(model.encoder(image)))


def closest_choice(scores: Tensor) -> Tensor:
    """Map scores (B, ..., K) to the least difference of an image's two highest: (B,)."""
    best = scores.topk(2).values
    return (best[..., 0] - best[..., 1]).flatten(1).amin(1)
