"""An array of images that is evaluated."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.dataset import Dataset, DataSpec, Split
from gtk.core.values.errors import InvalidValue
from gtk.core.values.picture_rows import as_rows
from gtk.core.values.request import choose_labels, is_list

#: What an array of images is called.
ARRAY = "an array"


def check_array(images: NDArray[Any]) -> None:
    """Refuse an array that does not hold images.

    Raises:
        InvalidValue: it has another type or shape, or no images.
    """
    if images.dtype != np.uint8:
        raise InvalidValue(
            f"an array of images must be uint8, not {images.dtype}: give levels 0..255, "
            "(images * 255).round().astype('uint8') if they are in 0..1"
        )
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise InvalidValue(
            "an array of images must be (N, H, W) or (N, H, W, C), where C is 1 or 3, not "
            f"{images.shape}"
        )
    if not images.size:
        raise InvalidValue(f"an array of images must hold some, not {images.shape}")


def array_data(images: NDArray[np.uint8], labels: Sequence[Any] | None, spec: DataSpec) -> Dataset:
    """Return images of an array as a data set without test images.

    Args:
        images: (N, H, W) in grey, or (N, H, W, C), uint8.
        labels: what each image is made for, as `Run.sample` takes it; None where nothing says so.
        spec: the data that the labels are of.

    Raises:
        InvalidValue: labels that the data lack, that are out of range, or not one for each image.
    """
    rows = as_rows(images)
    condition = None if labels is None else spec.condition
    if labels is not None:
        if condition is None:
            raise InvalidValue(f"labels are given, and {spec.name} has none: leave them out")
        if is_list(labels) and any(label is None for label in labels):
            raise InvalidValue("labels has None: give a label for each image, or leave labels out")
    encoded, _ = choose_labels(condition, labels, len(rows))
    found = np.zeros(len(rows), np.int64) if encoded is None else encoded
    _, channels, height, width = rows.shape
    own = DataSpec(ARRAY, channels, height, width, condition)
    return Dataset(own, Split(rows, found), Split(rows[:0], found[:0]))
