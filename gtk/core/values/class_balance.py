"""How equally the classes of a data set are represented."""

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.condition import Classes
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting

#: A class with more than this many times the training images of another is noted.
UNEQUAL = 10


def imbalance(dataset: Dataset) -> str:
    """Return a note on training images of classes of very unequal size, "" if there are none.

    Classes without any training image do not count.
    """
    condition = dataset.spec.condition
    if not isinstance(condition, Classes):
        return ""
    counts = np.bincount(dataset.train.labels, minlength=condition.count)
    common, present = counts.argmax(), np.flatnonzero(counts)
    rare = present[counts[present].argmin()] if len(present) else common
    if counts[common] <= UNEQUAL * counts[rare]:
        return ""
    return (
        f"class {condition.names[common]!r:.40} has {counts[common]:,} training images and class "
        f"{condition.names[rare]!r:.40} has {counts[rare]:,}, more than {UNEQUAL} to 1: "
        f"{setting('balance', True)} trains on all classes equally often"
    )


def training_classes(dataset: Dataset) -> NDArray[np.int64]:
    """Return the class of each training image: (N,).

    Raises:
        InvalidValue: the images have no classes to draw equally often.
    """
    condition = dataset.spec.condition
    if not isinstance(condition, Classes):
        found = "no labels" if condition is None else f"{condition.nouns[1]} instead of classes"
        raise InvalidValue(
            f"{setting('balance', True)} draws all classes equally often, and the images of "
            f"{dataset.spec.name} have {found}. Train without it."
        )
    labels: NDArray[np.int64] = dataset.train.labels
    return labels
