"""The speed of a training on this machine, measured without its data."""

from dataclasses import replace

import numpy as np
import torch

from gtk.core.contracts.loss import Loss
from gtk.core.models.build import build
from gtk.core.models.device import resolve_device
from gtk.core.models.suited_settings import suited_settings
from gtk.core.registry.train_config import TrainConfig
from gtk.core.settings.choice import Settings
from gtk.core.training.trainer import Trainer
from gtk.core.training.trial import Rates, Trial
from gtk.core.values.dataset import Dataset, DataSpec, Split

#: The most pixels in a step that a CPU measures, 8 images of 64x64: it takes as long for each image
#: of larger batches.
MOST_PIXELS = 8 * 64 * 64


def measured_rates(settings: Settings, spec: DataSpec, images: int) -> Rates:
    """Return about how many images a second a training takes in each arithmetic that it can choose.

    A step of black images is measured; the model is built for `spec`, its settings are for
    `images` training images. What fails has no rate.

    Raises:
        GtkError: something does not fit, or the device cannot be used.
    """
    settings, device = suited_settings(settings, spec, images), resolve_device("auto")
    model, loss = build(settings, spec)
    train = _short(settings.train, spec, device)
    trainer = Trainer(model, loss, _black_images(spec, train, loss), train, device)
    trial = Trial(trainer, train, bears_bf16=not settings.choice.without_bf16)
    return dict(item for tried in trial.candidates for item in trial.rate(tried).items())


def _short(train: TrainConfig, spec: DataSpec, device: torch.device) -> TrainConfig:
    """Return the settings of a training of one step."""
    most = max(1, MOST_PIXELS // (spec.height * spec.width))
    size = min(train.batch_size, most) if device.type == "cpu" else train.batch_size
    return replace(train, batch_size=size, epochs=1, warmup_steps=0, validation=0)


def _black_images(spec: DataSpec, train: TrainConfig, loss: Loss) -> Dataset:
    """Return as many images as a step takes."""
    count = train.batch_size * loss.batches * train.accumulate
    condition = spec.condition
    labels = np.zeros(count, np.int64) if condition is None else condition.cycle(count)
    split = Split(np.zeros((count, *spec.image_shape), np.uint8), labels)
    return Dataset(spec, split, split)
