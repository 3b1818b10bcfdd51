"""Real handwritten digits that come with scikit-learn."""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gtk.core.registry.spec import NoConfig
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset, DataSpec, Split

#: The last 10 of every 50 images are for testing: 357 in all, 1,440 are for training. Whole tens,
#: because scikit-learn's order goes round the ten classes: every fifth image would be a 4 or a 9.
ROUND, TESTED = 50, 10


def load(_config: NoConfig, root: Path | None) -> Dataset:  # noqa: ARG001 - embedded: nothing to read
    """Return the 1,797 images of the UCI optical digits test set, grey levels 0..16 as 0..255.

    The split is fixed: images 40..49, 90..99, ... in scikit-learn's order are the test images.
    """
    images, labels, names = _digits()
    testing = np.arange(len(images)) % ROUND >= ROUND - TESTED
    return Dataset(
        DataSpec("digits", 1, 8, 8, ConditionSpec(names)),
        train=Split(images[~testing], labels[~testing]),
        test=Split(images[testing], labels[testing]),
    )


@cache  # parsing them takes longer than a step of training; a split is a copy of the arrays
def _digits() -> tuple[NDArray[np.uint8], NDArray[np.int64], tuple[str, ...]]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, None]
    return images, digits.target.astype(np.int64), tuple(map(str, digits.target_names))
