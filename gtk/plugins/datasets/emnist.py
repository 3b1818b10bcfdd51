"""EMNIST, grey handwritten characters."""

from collections.abc import Iterator
from pathlib import Path
from string import ascii_letters, ascii_lowercase, digits

import numpy as np

from gtk.core.storage.cache import Decoded, ImageWriter
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset, DataSpec, Split
from gtk.plugins.datasets import EMNISTConfig
from gtk.plugins.datasets.idx import SIDE, split_of
from gtk.plugins.datasets.published import Published, load_published, write_splits
from gtk.plugins.datasets.unpacking import Archive

#: Lower-case letters that look like their capitals and are counted as these.
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

    Args:
        config: which split.
        root: a folder with EMNIST/raw/emnist-SPLIT-*-ubyte, *-ubyte.gz or gzip.zip in it, which is
            only read; None downloads gzip.zip (560 MB) into the user's cache folder, unless it is
            there.

    Raises:
        InvalidValue: the folder has no EMNIST, or a damaged one.
        WorkFailed: the download did not succeed.
    """
    spec = DataSpec("emnist", 1, SIDE, SIDE, ConditionSpec(CLASSES[config.split]))

    def decode(plain: Path, writer: ImageWriter) -> Decoded:
        return write_splits(writer, spec, _splits(plain, config.split))

    published = Published(
        name="emnist",
        title="EMNIST",
        place="EMNIST/raw",
        files=tuple(f"EMNIST/raw/emnist-{config.split}-{part}-ubyte" for part in PARTS),
        archive=Archive("EMNIST/raw/gzip.zip", "gzip/{name}.gz"),
        download=_download,
    )
    return load_published(
        published, root, spec.image_shape, decode, options={"split": config.split}
    )


def _splits(folder: Path, name: str) -> Iterator[Split]:
    from torchvision.datasets import EMNIST

    for train in (True, False):
        split = split_of(EMNIST(folder, split=name, train=train))
        # The files hold columns where MNIST's hold rows, and count letters from 1.
        upright = split.images.swapaxes(2, 3)
        yield Split(upright, split.labels - np.int64(name == "letters"))


def _download(folder: Path) -> None:
    """Get the archive alone: torchvision would unpack the 2 GB of all six splits."""
    from torchvision.datasets import EMNIST
    from torchvision.datasets.utils import download_url

    download_url(EMNIST.url, folder / "EMNIST" / "raw", "gzip.zip", EMNIST.md5)
