"""A batch of images and their conditions."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """The images and conditions that a loss is called with.

    Attributes:
        images: (B, C, H, W), float32 in 0..1.
        condition: (B,) int64 class labels or (B, n) float32 attributes or numbers; None for an
            unlabelled data set.
    """

    images: Tensor
    condition: Tensor | None

    def __len__(self) -> int:
        return len(self.images)

    def split(self, count: int) -> list["Batch"]:
        """Return `count` batches of equal size, for a loss that needs several in a step."""
        images = self.images.tensor_split(count)
        labels = [None] * count if self.condition is None else self.condition.tensor_split(count)
        return [Batch(*pair) for pair in zip(images, labels, strict=True)]
