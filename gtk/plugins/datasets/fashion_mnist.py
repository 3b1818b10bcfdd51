"""Fashion-MNIST, grey pictures of clothes."""

from pathlib import Path

from gtk.core.registry.spec import NoConfig
from gtk.core.values.dataset import Dataset
from gtk.plugins.datasets.idx import load_idx

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def load(_config: NoConfig, root: Path | None) -> Dataset:
    """Return Fashion-MNIST's 60,000 training and 10,000 test images.

    Xiao, Rasul, Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms (2017).

    Args:
        root: a folder with FashionMNIST/raw/*-ubyte or *-ubyte.gz in it, which is only read; None
            downloads the files into the user's cache folder, unless they are there.

    Raises:
        InvalidValue: the folder has no Fashion-MNIST, or a damaged one.
        WorkFailed: the download did not succeed.
    """
    return load_idx("fashion-mnist", "Fashion-MNIST", "FashionMNIST", CLASSES, root)
