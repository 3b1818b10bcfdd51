"""MNIST and the data sets in its file format: grey images of 28x28 pixels."""

from pathlib import Path
from typing import Any

import numpy as np

from gtk.core.registry.spec import NoConfig
from gtk.core.values.condition import Classes
from gtk.core.values.dataset import Dataset, DataSpec, Split
from gtk.plugins.datasets.published import (
    Published,
    load_splits,
    torchvision_reader,
    train_and_test,
)

SIDE = 28
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
#: One character of each of the ten rows of hiragana, romanized.
HIRAGANA = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


def load(_config: NoConfig, root: Path | None) -> Dataset:
    """Return MNIST's 60,000 training and 10,000 test images.

    LeCun, Bottou, Bengio, Haffner, Gradient-Based Learning Applied to Document Recognition (1998).
    The root has MNIST/raw/*-ubyte or *-ubyte.gz; `load_splits` says what errors are raised.
    """
    return _load("mnist", "MNIST", "MNIST", tuple("0123456789"), root)


def load_fashion_mnist(_config: NoConfig, root: Path | None) -> Dataset:
    """Return Fashion-MNIST's 60,000 training and 10,000 test images.

    Xiao, Rasul, Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms (2017). The root has FashionMNIST/raw/*-ubyte or *-ubyte.gz.
    """
    return _load("fashion-mnist", "Fashion-MNIST", "FashionMNIST", CLOTHES, root)


def load_kmnist(_config: NoConfig, root: Path | None) -> Dataset:
    """Return Kuzushiji-MNIST's 60,000 training and 10,000 test images of cursive hiragana.

    Clanuwat, Bober-Irizar, Kitamoto, Lamb, Yamamoto, Ha, Deep Learning for Classical Japanese
    Literature (2018). The root has KMNIST/raw/*-ubyte or *-ubyte.gz.
    """
    return _load("kmnist", "Kuzushiji-MNIST", "KMNIST", HIRAGANA, root)


def _load(
    name: str, title: str, reader: str, classes: tuple[str, ...], root: Path | None
) -> Dataset:
    """Return a data set that torchvision's class `reader` reads from a folder of the same name."""
    published = Published(
        name=name,
        title=title,
        place=f"{reader}/raw",
        files=tuple(f"{reader}/raw/{file}" for file in FILES),
        download=lambda folder: torchvision_reader(reader)(folder, download=True),
    )
    spec = DataSpec(name, 1, SIDE, SIDE, Classes(classes))
    return load_splits(
        published,
        root,
        spec.image_shape,
        lambda folder: (spec, map(split_of, train_and_test(reader, folder))),
    )


def split_of(data: Any) -> Split:  # noqa: ANN401 - torchvision publishes no types
    """Return a data set of torchvision's MNIST family as arrays."""
    return Split(data.data.numpy()[:, None], data.targets.numpy().astype(np.int64))
