"""The images of a data set on a device; a batch is an index gather."""

from collections.abc import Callable
from copy import copy

import torch
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.models.device import free_memory
from gtk.core.models.page_locked import gathered
from gtk.core.values.dataset import Split


class ImageStore:
    """Images of a data set, uint8 until a batch is asked for.

    On the CPU they stay where they are, even in a file mapped into memory, so memory does not grow
    with the data set. A GPU gets all of them, or each batch if all would take more than half of
    its free memory.

    It holds the images of `rows`, (N,), int64, or all of them, and their labels if `conditional`.

    Attributes:
        place: the device that the images are on: row numbers that are there, too, make no step
            wait for a GPU.
    """

    def __init__(
        self, split: Split, *, conditional: bool, device: torch.device, rows: Tensor | None = None
    ) -> None:
        images = torch.from_numpy(split.images)
        fits = 2 * images.numel() <= free_memory(device)
        self._device = device
        self.place = device if fits else torch.device("cpu")
        self._images = images.to(self.place).contiguous()
        self._labels = torch.from_numpy(split.labels).to(self.place) if conditional else None
        self._rows = None if rows is None else rows.to(self.place)

    def part(self, rows: Tensor) -> "ImageStore":
        """Return a store of these rows of the split, (N,), int64, that shares its images."""
        part = copy(self)
        part._rows = rows.to(self.place)  # noqa: SLF001 - another of this class
        return part

    def __len__(self) -> int:
        return len(self._images) if self._rows is None else len(self._rows)

    def batch(self, rows: Tensor, change: Callable[[Tensor], Tensor] | None = None) -> Batch:
        """Gather images by their numbers, (B,), int64, onto the store's device.

        `change` maps the images, (B, C, H, W) uint8, to others of the same shape.
        """
        rows = rows.to(self.place)
        if self._rows is not None:
            rows = self._rows.index_select(0, rows)
        images = self._gather(self._images, rows)
        if change is not None:
            images = change(images)
        labels = None if self._labels is None else self._gather(self._labels, rows)
        return Batch(images.to(torch.float32).div_(255), labels)

    def _gather(self, values: Tensor, rows: Tensor) -> Tensor:
        if self.place == self._device:
            # index_select: four times as fast as values[rows] on the CPU.
            return values.index_select(0, rows)
        return gathered(values, rows, self._device)
