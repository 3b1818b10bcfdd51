"""What is due at which step: it depends on settings and step alone, so resuming changes none."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from gtk.core.errors import InvalidValue
from gtk.core.seeding import derive_seed
from gtk.core.settings import TrainConfig

#: With `checkpoint_every` 0, a checkpoint is saved at the first end of an epoch after these steps.
CHECKPOINT_STEPS = 300


class Schedule:
    """The steps of a training.

    Args:
        config: how to train.
        images: how many training images there are, those to hold out included.
        name: the data set's, for messages.

    Attributes:
        steps_per_epoch: full batches in an epoch; which images are left over changes every time.
        total_steps: steps in the whole training.
        held_out: rows for validation, in order.
        kept: rows for training, in order.

    Raises:
        InvalidValue: more images are held out, or wanted in one batch, than there are.
    """

    def __init__(self, config: TrainConfig, images: int, name: str) -> None:
        remaining = images - config.validation
        if remaining < 1:
            raise InvalidValue(
                f"--validation {config.validation} leaves none of the {images} training images "
                f"of {name}. Hold out fewer."
            )
        if config.batch_size > remaining:
            raise InvalidValue(
                f"--batch-size {config.batch_size} is more than the {remaining} training images "
                f"of {name}. Use {remaining} or less."
            )
        self._config = config
        self.steps_per_epoch = remaining // config.batch_size
        self.total_steps = self.steps_per_epoch * config.epochs
        order = self._permutation(images, "validation")
        self.held_out = order[: config.validation].sort().values
        self.kept = order[config.validation :].sort().values

    def batches(self, step: int, device: torch.device | None = None) -> Iterator[Tensor]:
        """Yield the row numbers among `kept`, (B,), of each batch after `step` steps.

        Args:
            step: how many steps are done.
            device: where the numbers are wanted; an epoch's are moved there at once.
        """
        while step < self.total_steps:
            epoch, done = divmod(step, self.steps_per_epoch)
            order = self._permutation(len(self.kept), "order", epoch).to(device)
            batches = torch.split(order, self._config.batch_size)[done : self.steps_per_epoch]
            yield from batches
            step += len(batches)

    def epoch(self, step: int) -> int:
        """Return the epoch, counted from 1, that the step before belongs to; 0 at the start."""
        return math.ceil(step / self.steps_per_epoch)

    def log_due(self, step: int) -> bool:
        """Say whether terms are reported after `step` steps."""
        return step % self._config.log_every == 0 or step == self.total_steps

    def epoch_ends(self, step: int) -> bool:
        """Say whether an epoch is over after `step` steps."""
        return step % self.steps_per_epoch == 0

    def checkpoint_due(self, step: int) -> bool:
        """Say whether a checkpoint is saved after `step` steps."""
        every = self._config.checkpoint_every
        if not every:
            every = self.steps_per_epoch * math.ceil(CHECKPOINT_STEPS / self.steps_per_epoch)
        return step % every == 0 or step == self.total_steps

    def _permutation(self, count: int, purpose: str, *where: int) -> Tensor:
        generator = torch.Generator().manual_seed(derive_seed(self._config.seed, purpose, *where))
        return torch.randperm(count, generator=generator)
