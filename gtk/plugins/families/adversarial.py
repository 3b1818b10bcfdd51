"""The protocol of models with a generator and a discriminator."""

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class AdversarialModel(Protocol):
    """A generator and a discriminator, parts "generator" and "discriminator" of a `gtk.Model`.

    `generate` and `discriminate` take and give images in the networks' range.
    """

    def to_network_range(self, images: Tensor) -> Tensor:
        """Map images (B, C, H, W) in 0..1 to the networks' range."""

    def generate(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        """Map noise (B, *noise.shape) and a condition to images (B, C, H, W)."""

    def discriminate(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """Map images (B, C, H, W) and a condition to scores (B,), the logits of being real."""

    def scores_alone(self) -> bool:
        """Return whether an image's score depends on that image alone, not on its batch."""
