"""MNIST, grey handwritten digits."""

from pathlib import Path

from gtk.core.registry.spec import NoConfig
from gtk.core.values.dataset import Dataset
from gtk.plugins.datasets.idx import load_idx


def load(_config: NoConfig, root: Path | None) -> Dataset:
    """Return MNIST's 60,000 training and 10,000 test images.

    LeCun, Bottou, Bengio, Haffner, Gradient-Based Learning Applied to Document Recognition (1998).

    Args:
        root: a folder with MNIST/raw/*-ubyte or *-ubyte.gz in it, which is only read; None
            downloads the files into the user's cache folder, unless they are there.

    Raises:
        InvalidValue: the folder has no MNIST, or a damaged one.
        WorkFailed: the download did not succeed.
    """
    return load_idx("mnist", "MNIST", "MNIST", "0123456789", root)
