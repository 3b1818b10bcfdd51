"""Draw images from a model: noise from numpy, in image order."""

import logging
from typing import Any
from weakref import WeakSet

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gtk.core.contracts.model import Model
from gtk.core.models.tf32 import without_tf32
from gtk.core.registry.installed import describe
from gtk.core.values.errors import PluginError
from gtk.core.values.request import check_at_least

logger = logging.getLogger("gtk")

#: How far pixels may be outside 0..1: rounded to 255 levels they are the same.
TOLERANCE = 0.5 / 255
#: The models with a warning, since a training draws from the same model many times.
_warned: "WeakSet[Model]" = WeakSet()


def sample(
    model: Model,
    *,
    labels: NDArray[Any] | None,
    count: int,
    seed: int,
    batch_size: int,
    device: torch.device,
) -> NDArray[np.uint8]:
    """Draw images: (count, H, W) if grey, (count, H, W, C) in colour, uint8.

    The images are the same, to one level in 255, for every batch size and device, and from the
    exported file.

    Raises:
        InvalidValue: a batch size or seed out of range.
    """
    check_at_least("batch_size", batch_size, 1)
    check_at_least("seed", seed, 0)
    noise = model.noise.draw(count, seed)
    return generate(model, noise, labels=labels, batch_size=batch_size, device=device)


def generate(
    model: Model,
    noise: NDArray[np.float32],
    *,
    labels: NDArray[Any] | None,
    batch_size: int,
    device: torch.device,
) -> NDArray[np.uint8]:
    """Make images of given noise: (N, H, W) if grey, (N, H, W, C) in colour, uint8.

    The noise is (N, *shape) as `model.noise` says, and the labels are encoded conditions. The
    model is on `device`, and its mode is restored.

    Raises:
        InvalidValue: a batch size out of range, or noise of another shape or not finite.
        PluginError: the model does not return an image for each row of noise.
    """
    check_at_least("batch_size", batch_size, 1)
    noise = model.noise.rows(noise, "noise", least=0)
    check_at_least("count", len(noise), 1)
    training = model.training
    model.eval()
    batches = []
    with torch.no_grad(), without_tf32(device):
        for start in range(0, len(noise), batch_size):
            rows = slice(start, start + batch_size)
            condition = None if labels is None else torch.from_numpy(labels[rows]).to(device)
            given = torch.from_numpy(noise[rows]).to(device)
            images = check_images(model, "sample", model.sample(given, condition), len(given))
            batches.append(images.cpu().numpy())
    model.train(training)
    drawn = np.concatenate(batches)
    _warn_of_range(model, drawn)
    return to_pixels(drawn)


def check_images(model: object, method: str, images: Any, count: int) -> Tensor:  # noqa: ANN401 - whatever it gives
    """Return what a model's method gives, if it is `count` images, (count, C, H, W).

    Raises:
        PluginError: it has another type or shape.
    """
    if not isinstance(images, Tensor):
        found = type(images).__name__
    elif images.dim() != 4 or len(images) != count:
        found = f"shape {tuple(images.shape)} where {count} images are asked for"
    else:
        return images
    raise PluginError(
        f"{method}() of {describe(model)} gives {found}: return images (B, C, H, W) in 0..1."
    )


def _warn_of_range(model: Model, images: NDArray[np.float32]) -> None:
    """Warn, once for each model, about pixels outside 0..1."""
    low, high = images.min(), images.max()
    if (low >= -TOLERANCE and high <= 1 + TOLERANCE) or model in _warned:  # false for NaN
        return
    _warned.add(model)
    logger.warning(
        "sample() of %s gives %.2f..%.2f and pictures show 0..1, so they are cut off there: "
        "return 0..1",
        describe(model), low, high,
    )  # fmt: skip


def to_pixels(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Turn (N, C, H, W) in 0..1 into (N, H, W) if grey, else (N, H, W, C), uint8, rounded."""
    pixels = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
    return pixels[:, 0] if pixels.shape[1] == 1 else pixels.transpose(0, 2, 3, 1)
