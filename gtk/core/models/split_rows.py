"""The training images that a training keeps, and those that it holds out for validation."""

import torch
from torch import Tensor

from gtk.core.values.seeding import derive_seed


def split_rows(images: int, validation: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return the rows that are held out, (validation,), and the others, each int64 in order.

    Args:
        images: the number of training images.
        validation: the number of those that are held out.
        seed: the training's.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "validation"))
    order = torch.randperm(images, generator=generator)
    return order[:validation].sort().values, order[validation:].sort().values
