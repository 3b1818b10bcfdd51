"""Patches: square pieces of an image, each of which becomes one pixel of a network's maps."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import pad, pixel_shuffle

from gtk.plugins.networks.stage import ImageShape, Size


@dataclass(frozen=True)
class Patches:
    """The patches of images; those of any size are padded with zeros on the right and below.

    Attributes:
        image_shape: (C, H, W).
        side: pixels along a side of a patch, p.
    """

    image_shape: ImageShape
    side: int

    @property
    def size(self) -> Size:
        """The number of patches: (h, w)."""
        _, height, width = self.image_shape
        return -(-height // self.side), -(-width // self.side)

    @property
    def values(self) -> int:
        """The number of values in a patch: C p²."""
        return self.image_shape[0] * self.side**2

    def whole(self, images: Tensor) -> Tensor:
        """Map (B, F, H, W) to whole patches, (B, F, h p, w p)."""
        missing = [
            count * self.side - pixels
            for count, pixels in zip(self.size, self.image_shape[1:], strict=True)
        ]
        return pad(images, (0, missing[1], 0, missing[0])) if any(missing) else images

    def joined(self, maps: Tensor) -> Tensor:
        """Map the values of patches (B, C p², h, w) to images (B, C, H, W)."""
        _, height, width = self.image_shape
        return pixel_shuffle(maps, self.side)[:, :, :height, :width]
