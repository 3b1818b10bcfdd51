"""The batch of each step: gathered, augmented, and without some conditions where that is wanted."""

from functools import partial

import torch
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.noise import Noise
from gtk.core.registry.train_config import TrainConfig
from gtk.core.training.augmentation import Augmentation, without_some_conditions
from gtk.core.training.store import ImageStore
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.seeding import derive_seed


class TrainingImages:
    """Makes the batch of each step.

    Args:
        store: the images that are trained on.
        config: how to train.
        condition: what the model is conditioned on, None where it is not.
        device: where the store gathers.
    """

    def __init__(
        self,
        store: ImageStore,
        config: TrainConfig,
        condition: ConditionSpec | None,
        device: torch.device,
    ) -> None:
        self._store = store
        self._seed = config.seed
        self._dropout = config.condition_dropout
        self._condition = condition
        self._augmentation = Augmentation(config.flip, config.shift)
        self._noise = Noise(device)

    def batch(self, rows: Tensor, step: int) -> Batch:
        """Gather the images of the step that follows `step` steps.

        Args:
            rows: row numbers among the training images, (B,), int64, on the device.
            step: how many steps are done.
        """
        change = None
        if self._augmentation:
            self._noise.seed(derive_seed(self._seed, "augment", step))
            change = partial(self._augmentation, noise=self._noise)
        batch = self._store.batch(rows, change)
        if self._dropout and self._condition is not None:
            self._noise.seed(derive_seed(self._seed, "condition", step))
            return without_some_conditions(batch, self._condition, self._dropout, self._noise)
        return batch
