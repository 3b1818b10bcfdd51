"""Data sets in the files of MNIST: grey images of 28x28 pixels, named as torchvision's classes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gtk.core.storage.cache import Decoded, ImageWriter
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset, DataSpec, Split
from gtk.plugins.datasets.published import Published, load_published, write_splits

SIDE = 28
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def load_idx(
    name: str, title: str, reader: str, classes: Sequence[str], root: Path | None
) -> Dataset:
    """Return a data set of four files that are laid out as MNIST's.

    Args:
        name: the data set's name.
        title: what people call it.
        reader: torchvision's class, which is also the folder's name.
        classes: their names, in the order of the labels.
        root: a folder with READER/raw/*-ubyte or *-ubyte.gz in it, which is only read; None
            downloads them.

    Raises:
        InvalidValue: the folder has no such data, or damaged ones.
        WorkFailed: the download did not succeed.
    """
    spec = DataSpec(name, 1, SIDE, SIDE, ConditionSpec(tuple(classes)))

    def decode(plain: Path, writer: ImageWriter) -> Decoded:
        return write_splits(writer, spec, _splits(reader, plain))

    published = Published(
        name=name,
        title=title,
        place=f"{reader}/raw",
        files=tuple(f"{reader}/raw/{file}" for file in FILES),
        download=lambda folder: _reader(reader)(folder, download=True),
    )
    return load_published(published, root, spec.image_shape, decode)


def _splits(reader: str, folder: Path) -> Iterator[Split]:
    for train in (True, False):
        yield split_of(_reader(reader)(folder, train=train))


def split_of(data: Any) -> Split:  # noqa: ANN401 - torchvision publishes no types
    """Return one of torchvision's data sets of this kind as arrays."""
    return Split(data.data.numpy()[:, None], data.targets.numpy().astype(np.int64))


def _reader(name: str) -> Any:  # noqa: ANN401 - torchvision publishes no types
    from torchvision import datasets

    return getattr(datasets, name)
