"""The schedule of a training: it depends on settings and step alone, so resuming changes none."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from gtk.core.models.split_rows import split_rows
from gtk.core.registry.train_config import TrainConfig
from gtk.core.training.balanced_order import balanced_order
from gtk.core.values.by_part import PartNumber, with_each
from gtk.core.values.errors import InvalidValue
from gtk.core.values.interval import in_steps
from gtk.core.values.seeding import derive_seed
from gtk.core.values.setting import setting

#: With `checkpoint_every` 0, checkpoints are saved at the first end of an epoch after these steps.
CHECKPOINT_STEPS = 300
#: The stages of the decay "multistep", and how much longer each is than the one before.
STAGES, STAGE_GROWTH = 8, 3
#: How often something is done in a training if nobody says so, besides early on.
TIMES = 10


class Schedule:
    """The steps of a training on `images` images, with those to hold out, of the data set `name`.

    With `classes`, the class of each image, an epoch draws all classes equally often.

    Attributes:
        images_per_step: images in one step.
        steps_per_epoch: full steps in an epoch; other images are left over in each.
        total_steps: steps in the whole training.
        held_out: rows for validation, in order.
        kept: rows for training, in order.

    Raises:
        InvalidValue: there are too few images for the validation or for one step, or the warm-up
            is longer than the training.
    """

    def __init__(
        self,
        config: TrainConfig,
        images: int,
        name: str,
        batches: int = 1,
        classes: Tensor | None = None,
    ) -> None:
        remaining = images - config.validation
        if remaining < 1:
            raise InvalidValue(
                f"{setting('validation', config.validation)} leaves none of the {images} "
                f"training images of {name}. Hold out fewer."
            )
        if batches > remaining:
            raise InvalidValue(
                f"the loss takes {batches} batches a step, more than the {remaining} training "
                f"images of {name}. Use another {setting('loss')} or more images."
            )
        accumulate = setting("accumulate", config.accumulate) if config.accumulate > 1 else ""
        most, batches = remaining // batches, batches * config.accumulate
        if batches > remaining:
            raise InvalidValue(
                f"{accumulate} makes {batches} batches a step, more than the {remaining} training "
                f"images of {name}. Use {most} or less."
            )
        self._config = config
        self.images_per_step = config.batch_size * batches
        if self.images_per_step > remaining:
            cause = f" with {accumulate}" if accumulate else ""
            times = f", {batches} times in a step{cause}," if batches > 1 else ""
            raise InvalidValue(
                f"{setting('batch_size', config.batch_size)}{times} is more than the "
                f"{remaining} training images of {name}. Use {remaining // batches} or less."
            )
        self.steps_per_epoch = remaining // self.images_per_step
        self.total_steps = self.steps_per_epoch * config.epochs
        if config.warmup_steps > self.total_steps:
            raise InvalidValue(
                f"{setting('warmup_steps', config.warmup_steps)} is longer than the training of "
                f"{self.total_steps} steps. Use fewer, or more {setting('epochs')}."
            )
        self.held_out, self.kept = split_rows(images, config.validation, config.seed)
        self._classes = None if classes is None else classes[self.kept]

    def batches(self, step: int, device: torch.device | None = None) -> Iterator[Tensor]:
        """Yield the row numbers among `kept`, (images_per_step,), of each step after `step`.

        An epoch's rows are moved to the device at once.
        """
        while step < self.total_steps:
            epoch, done = divmod(step, self.steps_per_epoch)
            order = self._order(epoch).to(device)
            batches = torch.split(order, self.images_per_step)[done : self.steps_per_epoch]
            yield from batches
            step += len(batches)

    def learning_rate(self, step: int) -> PartNumber:
        """Return the rate, of each part where they differ, of the step that follows `step` steps.

        It rises linearly, from 1/`warmup_steps` of the full rate in the first step to all of it in
        the last of the warm-up. Then it is constant, or falls along half a cosine to 0 after the
        last step: Loshchilov and Hutter (arXiv:1608.03983), equation 5, without restarts; or, with
        "multistep", is 10^(-i / 7) of the full rate in stage i = 0, ..., 7, whose length is 3^i of
        3,280 shares of the training: Burda et al. (arXiv:1509.00519), section 5, where a share is
        one epoch. A stage ends at the first step that lies at its end or after it.
        """
        return with_each(self._config.learning_rate, lambda full: self._rate(full, step))

    def epoch(self, step: int) -> int:
        """Return the epoch of the last of `step` steps, counted from 1; 0 at the start."""
        return math.ceil(step / self.steps_per_epoch)

    def log_due(self, step: int) -> bool:
        """Say whether terms are reported after `step` steps."""
        return step % self._config.log_every == 0 or step == self.total_steps

    def epoch_ends(self, step: int) -> bool:
        """Say whether an epoch ends after `step` steps."""
        return step % self.steps_per_epoch == 0

    def checkpoint_due(self, step: int) -> bool:
        """Say whether a checkpoint is saved after `step` steps."""
        every = self._config.checkpoint_every
        if not every:
            every = self.steps_per_epoch * math.ceil(CHECKPOINT_STEPS / self.steps_per_epoch)
        return step % every == 0 or step == self.total_steps

    def validation_due(self, step: int) -> bool:
        """Say whether a checkpoint is validated after `step` steps, if anything is held out."""
        every = in_steps(self._config.validate_every, self.steps_per_epoch)
        if not every:
            return self.checkpoint_due(step)
        return step % every == 0 or step == self.total_steps

    def anything_due(self, step: int) -> bool:
        """Say whether anything but the next step follows `step` steps."""
        return (
            self.log_due(step)
            or self.epoch_ends(step)
            or self.checkpoint_due(step)
            or (self._config.validated and self.validation_due(step))
        )

    def _rate(self, full: float, step: int) -> float:
        """Return the rate after `step` steps of a part with this full rate."""
        config = self._config
        if step < config.warmup_steps:
            return full * (step + 1) / config.warmup_steps
        if config.decay == "constant":
            return full
        done, total = step - config.warmup_steps, self.total_steps - config.warmup_steps
        if config.decay == "multistep":
            return full * 10 ** (-_stage(done, total) / (STAGES - 1))
        return full * (1 + math.cos(math.pi * (done / total))) / 2

    def _order(self, epoch: int) -> Tensor:
        """Return the rows of an epoch, counted from 0: all of them, or of all classes as many."""
        if self._classes is None:
            return self._permutation(len(self.kept), "order", epoch)
        return balanced_order(self._classes, self._generator("order", epoch))

    def _permutation(self, count: int, purpose: str, *where: int) -> Tensor:
        return torch.randperm(count, generator=self._generator(purpose, *where))

    def _generator(self, purpose: str, *where: int) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self._config.seed, purpose, *where))


def _stage(done: int, total: int) -> int:
    """Return the stage, counted from 0, of the step that follows `done` of `total` steps."""
    # The ends of the stages, in shares, are 1, 1 + 3, 1 + 3 + 9, ...; integers compare exactly.
    ends = [(STAGE_GROWTH**count - 1) // (STAGE_GROWTH - 1) for count in range(1, STAGES + 1)]
    return sum(done * ends[-1] >= end * total for end in ends[:-1])


def epoch_due(epoch: int, epochs: int, every: int) -> bool:
    """Say whether what is done every so many epochs is due after this one; after the last it is.

    If `every` is 0 that is after epochs 1, 2, 4, 8, ..., up to two tenths of the training, and from
    there after every tenth.
    """
    if not every:
        every = max(1, epochs // TIMES)
        if epoch < 2 * every:
            return epoch & (epoch - 1) == 0 or epoch == epochs
    return epoch % every == 0 or epoch == epochs
