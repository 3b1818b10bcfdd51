"""MNIST through torchvision: read from a copy, or downloaded once into the cache."""

from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from gtk.core.data import ConditionSpec, Dataset, DataSpec, Split
from gtk.core.errors import InvalidValue, WorkFailed


def load(root: Path | None) -> Dataset:
    """Return MNIST's 60,000 training and 10,000 test images.

    Args:
        root: a folder with MNIST/raw/*-ubyte in it, which is only read; None downloads the files
            into the user's cache folder, unless they are there.

    Raises:
        InvalidValue: the folder has no MNIST, or a damaged one.
        WorkFailed: the download did not succeed.
    """
    names = tuple(str(digit) for digit in range(10))
    train, test = _split(root, train=True), _split(root, train=False)
    return Dataset(DataSpec("mnist", 1, 28, 28, ConditionSpec(names)), train, test)


def _split(root: Path | None, *, train: bool) -> Split:
    from torchvision.datasets import MNIST

    folder = root or user_cache_path("generative-toolkit") / "data"
    try:
        data = MNIST(folder, train=train, download=root is None)
    except Exception as error:  # torchvision raises whatever its readers and urllib raise
        reason = " ".join(str(error).split()) or type(error).__name__
        if root is None:
            raise WorkFailed(
                "MNIST could not be downloaded: point at a folder that holds MNIST/raw with "
                f"--data-root FOLDER, or try again ({reason})"
            ) from error
        raise InvalidValue(
            f"{folder} has no readable MNIST/raw: point --data-root at the folder that holds "
            f"MNIST/raw, or leave it out to download ({reason})"
        ) from error
    return Split(data.data.numpy()[:, None], data.targets.numpy().astype(np.int64))
