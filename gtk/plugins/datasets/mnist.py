"""MNIST, grey handwritten digits."""

from pathlib import Path
from typing import Any

import numpy as np

from gtk.core.condition import ConditionSpec
from gtk.core.data import Dataset, DataSpec, Split
from gtk.core.spec import NoConfig
from gtk.plugins.datasets.published import published_splits


def load(_config: NoConfig, root: Path | None) -> Dataset:
    """Return MNIST's 60,000 training and 10,000 test images.

    Args:
        root: a folder with MNIST/raw/*-ubyte in it, which is only read; None downloads the files
            into the user's cache folder, unless they are there.

    Raises:
        InvalidValue: the folder has no MNIST, or a damaged one.
        WorkFailed: the download did not succeed.
    """
    from torchvision.datasets import MNIST

    train, test = published_splits(MNIST, root, "MNIST", "MNIST/raw")
    names = tuple(str(digit) for digit in range(10))
    spec = DataSpec("mnist", 1, 28, 28, ConditionSpec(names))
    return Dataset(spec, _split(train), _split(test))


def _split(data: Any) -> Split:  # noqa: ANN401 - torchvision publishes no types
    return Split(data.data.numpy()[:, None], data.targets.numpy().astype(np.int64))
