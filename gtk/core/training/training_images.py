"""The images of a training's steps: gathered, and augmented where that is wanted."""

import torch
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.noise import Noise
from gtk.core.registry.train_config import TrainConfig
from gtk.core.training.augmentation import Augmentation
from gtk.core.training.store import ImageStore
from gtk.core.values.seeding import derive_seed


class TrainingImages:
    """Makes the batch of each step.

    Args:
        store: the images that are trained on.
        config: how to train.
        device: where the store gathers.
    """

    def __init__(self, store: ImageStore, config: TrainConfig, device: torch.device) -> None:
        self._store = store
        self._seed = config.seed
        self._augmentation = Augmentation(config.flip, config.shift)
        self._noise = Noise(device)

    def batch(self, rows: Tensor, step: int) -> Batch:
        """Gather the images of the step that follows `step` steps.

        Args:
            rows: row numbers among the training images, (B,), int64, on the device.
            step: how many steps are done.
        """
        if not self._augmentation:
            return self._store.batch(rows)
        self._noise.seed(derive_seed(self._seed, "augment", step))
        return self._store.batch(rows, lambda images: self._augmentation(images, self._noise))
