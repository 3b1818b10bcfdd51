"""Training batches changed a little, anew each time: their images, and which have a condition."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.noise import Noise
from gtk.core.values.condition import ConditionSpec


@dataclass(frozen=True)
class Augmentation:
    """Mirrors and moves images.

    Attributes:
        flip: whether half of them are mirrored, left to right.
        shift: by how many pixels at most each is moved, across and down; what comes in at an edge
            repeats the edge.
    """

    flip: bool
    shift: int

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return self.flip or self.shift > 0

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        """Change images (B, C, H, W) of any type, each for itself, as `noise` decides."""
        height, width = images.shape[2:]
        columns = self._moved(len(images), width, noise)
        if self.flip:
            mirrored = noise.uniform(len(images), 1) < 0.5
            columns = torch.where(mirrored, width - 1 - columns, columns)
        changed = images.gather(3, columns[:, None, None].expand(-1, *images.shape[1:3], -1))
        if self.shift:
            rows = self._moved(len(images), height, noise)
            changed = changed.gather(2, rows[:, None, :, None].expand_as(images))
        return changed

    def _moved(self, count: int, length: int, noise: Noise) -> Tensor:
        """Return where each of `length` pixels comes from, in each image: (count, length)."""
        shifts = noise.labels(count, 2 * self.shift + 1) - self.shift
        places = torch.arange(length, device=shifts.device)
        return (places + shifts[:, None]).clamp(0, length - 1)


def without_some_conditions(
    batch: Batch, condition: ConditionSpec, share: float, noise: Noise
) -> Batch:
    """Return a batch in which some rows have no condition.

    Args:
        batch: with a condition.
        condition: which it is; nullable.
        share: of the rows whose condition is left out, on average.
        noise: decides which.
    """
    if batch.condition is None:
        return batch
    rows = batch.condition
    dropped = noise.uniform(len(batch)).reshape(-1, *[1] * (rows.dim() - 1)) < share
    absent = torch.from_numpy(condition.absent).to(rows.device)
    return Batch(batch.images, torch.where(dropped, absent, rows))
