"""CIFAR-10, small colour photographs of ten kinds of things."""

from pathlib import Path
from typing import Any

import numpy as np

from gtk.core.condition import ConditionSpec
from gtk.core.data import Dataset, DataSpec, Split
from gtk.core.spec import NoConfig
from gtk.plugins.datasets.published import published_splits


def load(_config: NoConfig, root: Path | None) -> Dataset:
    """Return CIFAR-10's 50,000 training and 10,000 test images.

    Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009).

    Args:
        root: a folder with cifar-10-batches-py in it, which is only read; None downloads it into
            the user's cache folder, unless it is there.

    Raises:
        InvalidValue: the folder has no CIFAR-10, or a damaged one.
        WorkFailed: the download did not succeed.
    """
    from torchvision.datasets import CIFAR10

    # The published files are pickles, which can run code when they are read. torchvision compares
    # the MD5 of each with the published one before it reads any, downloaded or not, so a
    # stranger's file is refused; a test holds it to that.
    train, test = published_splits(CIFAR10, root, "CIFAR-10", "cifar-10-batches-py")
    spec = DataSpec("cifar10", 3, 32, 32, ConditionSpec(tuple(train.classes)))
    return Dataset(spec, _split(train), _split(test))


def _split(data: Any) -> Split:  # noqa: ANN401 - torchvision publishes no types
    # torchvision turns the files' (N, C, H, W) into a view of (N, H, W, C): this turns it back.
    images = np.ascontiguousarray(data.data.transpose(0, 3, 1, 2))
    return Split(images, np.array(data.targets, dtype=np.int64))
