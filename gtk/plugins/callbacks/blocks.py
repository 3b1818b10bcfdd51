"""The test images of a data set, block by block, as a model takes them."""

from collections.abc import Iterator

import torch

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.model import Model
from gtk.core.training.store import ImageStore
from gtk.core.values.dataset import Dataset

#: Images in one pass through a network.
BLOCK = 256


def image_blocks(dataset: Dataset, model: Model) -> Iterator[Batch]:
    """Yield the test images in their order, on the model's device."""
    device = next(model.parameters()).device
    conditional = dataset.spec.condition is not None
    store = ImageStore(dataset.test, conditional=conditional, device=device)
    for start in range(0, len(store), BLOCK):
        yield store.batch(torch.arange(start, min(start + BLOCK, len(store)), device=device))
