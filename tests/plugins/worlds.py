"""Small data sets with conditions of every kind, and models built for them."""

from typing import Any

import numpy as np
import torch

from gtk.core.contracts.loss import Loss
from gtk.core.contracts.model import Model
from gtk.core.models.build import build
from gtk.core.models.suited_settings import suited_settings
from gtk.core.settings.choice import Choice, Settings
from gtk.core.training.trainer import Trainer
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset, DataSpec, Split

CONDITIONS = {
    "classes": ConditionSpec(("a", "b", "c")),
    "attributes": ConditionSpec(("hat", "glasses"), "attributes"),
    "continuous": ConditionSpec(("age", "angle"), "continuous", ((0.0, 100.0), (-3.0, 1.0))),
    "none": None,
}
#: The sizes at which every network has to work.
SIZES = [(8, 8), (9, 13), (31, 17), (28, 28), (64, 48)]


def data_spec(kind: str, size: tuple[int, int] = (8, 8), channels: int = 1) -> DataSpec:
    """Describe images with a condition of some kind."""
    return DataSpec("world", channels, *size, CONDITIONS[kind])


def dataset(kind: str, count: int = 64, size: tuple[int, int] = (8, 8)) -> Dataset:
    """Noise whose brightness goes with the condition."""
    generator = np.random.default_rng(0)
    spec = data_spec(kind, size)
    condition = spec.condition

    def split(images: int) -> Split:
        pixels = generator.integers(0, 100, (images, 1, *size), dtype=np.uint8)
        if condition is None:
            return Split(pixels, np.zeros(images, np.int64))
        labels = condition.examples()[generator.integers(0, len(condition.examples()), images)]
        order = labels if labels.ndim == 1 else labels[:, 0] / max(labels[:, 0].max(), 1)
        return Split(pixels + (60 * order).astype(np.uint8)[:, None, None, None], labels)

    return Dataset(spec, split(count), split(8))


def settle(
    model: str, conditioner: str | None = None, loss: str | None = None, **options: Any
) -> Settings:
    """Choose plugins and settle their options."""
    return Choice.by_name(model, "digits", conditioner, loss).settle(options, None)


def built(settings: Settings, spec: DataSpec) -> tuple[Model, Loss]:
    """Build model and loss, as a training does."""
    return build(suited_settings(settings, spec, 64), spec)


def trained(settings: Settings, data: Dataset, steps: int) -> Model:
    """Train for some steps."""
    model, loss = build(settings, data.spec)
    trainer = Trainer(model, loss, data, settings.train, torch.device("cpu"))
    for _, rows in zip(range(steps), trainer.schedule.batches(0), strict=False):
        trainer.train_step(rows)
    return model.eval()
