"""EMNIST: grey handwritten characters."""

from collections.abc import Iterator
from pathlib import Path
from string import ascii_letters, ascii_lowercase, digits

import numpy as np

from gtk.core.values.condition import Classes
from gtk.core.values.dataset import Dataset, DataSpec, Split
from gtk.plugins.datasets import EMNISTConfig
from gtk.plugins.datasets.mnist import SIDE, split_of
from gtk.plugins.datasets.published import Published, load_splits, train_and_test
from gtk.plugins.datasets.unpacking import Archive

#: Lower-case letters that look like their capitals and are merged with them.
MERGED = set("cijklmopsuvwxyz")
MERGED_CLASSES = tuple(sorted(set(digits + ascii_letters) - MERGED))
PARTS = ("train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1")
CLASSES: dict[str, tuple[str, ...]] = {
    "balanced": MERGED_CLASSES,
    "bymerge": MERGED_CLASSES,
    "byclass": tuple(sorted(digits + ascii_letters)),
    "letters": tuple(ascii_lowercase),
    "digits": tuple(digits),
    "mnist": tuple(digits),
}


def load(config: EMNISTConfig, root: Path | None) -> Dataset:
    """Return the training and test images of one of EMNIST's splits, upright.

    Cohen, Afshar, Tapson, van Schaik, EMNIST: an Extension of MNIST to Handwritten Letters (2017).

    The root has EMNIST/raw/emnist-SPLIT-*-ubyte, *-ubyte.gz or gzip.zip, which is a download
    of 560 MB.
    """
    spec = DataSpec("emnist", 1, SIDE, SIDE, Classes(CLASSES[config.split]))
    published = Published(
        name="emnist",
        title="EMNIST",
        place="EMNIST/raw",
        files=tuple(f"EMNIST/raw/emnist-{config.split}-{part}-ubyte" for part in PARTS),
        archive=Archive("EMNIST/raw/gzip.zip", "gzip/{name}.gz"),
        download=_download,
    )
    return load_splits(
        published,
        root,
        spec.image_shape,
        lambda folder: (spec, _splits(folder, config.split)),
        options={"split": config.split},
    )


def _splits(folder: Path, name: str) -> Iterator[Split]:
    for split in map(split_of, train_and_test("EMNIST", folder, split=name)):
        # The files hold columns where MNIST's hold rows, and count letters from 1.
        yield Split(split.images.swapaxes(2, 3), split.labels - np.int64(name == "letters"))


def _download(folder: Path) -> None:
    """Download the archive alone: torchvision would unpack the 2 GB of all six splits."""
    from torchvision.datasets import EMNIST
    from torchvision.datasets.utils import download_url

    download_url(EMNIST.url, folder / "EMNIST" / "raw", "gzip.zip", EMNIST.md5)
