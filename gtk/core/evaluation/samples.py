"""Images that are drawn to be judged, as `gtk evaluate` draws a run's."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.contracts.model import Model
from gtk.core.contracts.sampler import Sampler
from gtk.core.evaluation.asked import asked_for
from gtk.core.models.sampling import draw_noise, generated
from gtk.core.values.dataset import Dataset, DataSpec
from gtk.core.values.picture_rows import as_rows

#: Images that are drawn at a time, and values that these may have: 250 of 28x28 in grey, 40 of
#: 256x256 in colour.
BATCH, VALUES = 250, 1 << 23


def judged_samples(
    sampler: Sampler[Any], data: Dataset, count: int, batch_size: int
) -> Iterator[tuple[NDArray[np.uint8], NDArray[Any] | None]]:
    """Yield images (B, C, H, W) of seed 0, and what they are asked for among the data's conditions.

    Args:
        sampler: draws them.
        data: what they are compared with.
        count: how many.
        batch_size: of them at a time.
    """
    labels, among = asked_for(sampler.model.condition, data, count)
    device = next(sampler.model.parameters()).device
    noise, done = draw_noise(sampler, count, 0), 0
    for pictures in generated(sampler, noise, labels=labels, batch_size=batch_size, device=device):
        rows = slice(done, done + len(pictures))
        yield as_rows(pictures), None if among is None else among[rows]
        done = rows.stop


def spec_of_samples(model: Model, data: DataSpec) -> DataSpec:
    """Return the description of a model's images: the data's, with a condition if it takes one."""
    return data if model.condition is not None else replace(data, condition=None)


def images_at_a_time(spec: DataSpec) -> int:
    """Return how many images are drawn at a time: fewer of large ones."""
    return max(1, min(BATCH, VALUES // math.prod(spec.image_shape)))
