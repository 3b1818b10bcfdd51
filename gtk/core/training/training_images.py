"""The batch of each step: images gathered and augmented, and some conditions left out."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.noise import Noise
from gtk.core.registry.train_config import TrainConfig
from gtk.core.training.learner import Learner
from gtk.core.training.schedule import Schedule
from gtk.core.training.store import ImageStore
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import InvalidValue
from gtk.core.values.seeding import derive_seed
from gtk.core.values.setting import setting


class TrainingImages:
    """Makes the batch of each step of a learner.

    Attributes:
        all: the training images, those held out for validation included.

    Raises:
        InvalidValue: images would be shifted by their whole size.
    """

    def __init__(
        self, dataset: Dataset, schedule: Schedule, config: TrainConfig, learner: Learner
    ) -> None:
        spec = dataset.spec
        if config.shift >= min(spec.height, spec.width):
            raise InvalidValue(
                f"{setting('shift', config.shift)} moves images of {spec.height}x{spec.width} "
                "pixels out of sight. Use less."
            )
        conditional = spec.condition is not None
        self.all = ImageStore(dataset.train, conditional=conditional, device=learner.device)
        self._store = self.all.part(schedule.kept) if config.validation else self.all
        self._seed = config.seed
        self._dropout = config.condition_dropout
        self._absent: Tensor | None = None  # moved once, since a copy waits for the device
        if config.condition_dropout and learner.model.condition is not None:
            self._absent = torch.from_numpy(learner.model.condition.absent).to(learner.device)
        self._augmentation = Augmentation(config.flip, config.shift)
        self._noise = Noise(learner.device)

    def batch(self, rows: Tensor, step: int) -> Batch:
        """Gather the images of these rows, (B,), int64, for the step that follows `step` steps."""
        change = None
        if self._augmentation:
            self._noise.seed(derive_seed(self._seed, "augment", step))
            change = partial(self._augmentation, noise=self._noise)
        batch = self._store.batch(rows, change)
        if self._absent is not None:
            self._noise.seed(derive_seed(self._seed, "condition", step))
            return without_some_conditions(batch, self._absent, self._dropout, self._noise)
        return batch


@dataclass(frozen=True)
class Augmentation:
    """Mirrors and shifts images.

    Attributes:
        flip: whether half of them are mirrored, left to right.
        shift: the largest shift across and down in pixels; edge pixels are repeated.
    """

    flip: bool
    shift: int

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return self.flip or self.shift > 0

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        """Change each of the images (B, C, H, W), of any type, as `noise` decides."""
        height, width = images.shape[2:]
        columns = self._shifted(len(images), width, noise)
        if self.flip:
            mirrored = noise.uniform(len(images), 1) < 0.5
            columns = torch.where(mirrored, width - 1 - columns, columns)
        changed = images.gather(3, columns[:, None, None].expand(-1, *images.shape[1:3], -1))
        if self.shift:
            rows = self._shifted(len(images), height, noise)
            changed = changed.gather(2, rows[:, None, :, None].expand_as(images))
        return changed

    def _shifted(self, count: int, length: int, noise: Noise) -> Tensor:
        """Return where each of `length` pixels comes from, in each image: (count, length)."""
        shifts = noise.labels(count, 2 * self.shift + 1) - self.shift
        places = torch.arange(length, device=shifts.device)
        return (places + shifts[:, None]).clamp(0, length - 1)


def without_some_conditions(batch: Batch, absent: Tensor, share: float, noise: Noise) -> Batch:
    """Return the batch with a share of its rows, on average, without their nullable condition.

    `absent` is the condition's row of that name, on the device.
    """
    if batch.condition is None:
        return batch
    rows = batch.condition
    dropped = noise.uniform(len(batch)).reshape(-1, *[1] * (rows.dim() - 1)) < share
    return Batch(batch.images, torch.where(dropped, absent, rows))
