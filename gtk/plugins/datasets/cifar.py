"""CIFAR-10 and CIFAR-100, small colour photographs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gtk.core.registry.spec import NoConfig
from gtk.core.storage.cache import Decoded, ImageWriter
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset, DataSpec, Split
from gtk.plugins.datasets.published import Published, load_published, write_splits
from gtk.plugins.datasets.unpacking import Archive

FILES10 = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
FILES100 = ("train", "test", "meta")


def load_cifar10(_config: NoConfig, root: Path | None) -> Dataset:
    """Return CIFAR-10's 50,000 training and 10,000 test images, ten kinds of things.

    Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009).

    Args:
        root: a folder with cifar-10-batches-py or cifar-10-python.tar.gz in it, which is only
            read; None downloads it into the user's cache folder, unless it is there.

    Raises:
        InvalidValue: the folder has no CIFAR-10, or a damaged one.
        WorkFailed: the download did not succeed.
    """
    return _load("cifar10", "CIFAR-10", "CIFAR10", "cifar-10-batches-py", FILES10, root)


def load_cifar100(_config: NoConfig, root: Path | None) -> Dataset:
    """Return CIFAR-100's 50,000 training and 10,000 test images, by its 100 fine classes.

    Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009).

    Args:
        root: a folder with cifar-100-python or cifar-100-python.tar.gz in it, which is only
            read; None downloads it into the user's cache folder, unless it is there.

    Raises:
        InvalidValue: the folder has no CIFAR-100, or a damaged one.
        WorkFailed: the download did not succeed.
    """
    return _load("cifar100", "CIFAR-100", "CIFAR100", "cifar-100-python", FILES100, root)


def _load(
    name: str, title: str, reader: str, place: str, files: tuple[str, ...], root: Path | None
) -> Dataset:
    def decode(plain: Path, writer: ImageWriter) -> Decoded:
        # The published files are pickles, which can run code when they are read. torchvision
        # compares the MD5 of each with the published one before it reads any, unpacked and
        # downloaded ones, too, so a stranger's file is refused; a test holds it to that.
        classes = _reader(reader)(plain, train=False).classes
        spec = DataSpec(name, 3, 32, 32, ConditionSpec(tuple(classes)))
        return write_splits(writer, spec, _splits(reader, plain))

    published = Published(
        name=name,
        title=title,
        place=place,
        files=tuple(f"{place}/{file}" for file in files),
        archive=Archive(f"{title.lower()}-python.tar.gz"),
        download=lambda folder: _reader(reader)(folder, download=True),
    )
    return load_published(published, root, (3, 32, 32), decode)


def _splits(reader: str, folder: Path) -> Iterator[Split]:
    for train in (True, False):
        data = _reader(reader)(folder, train=train)
        # torchvision turns the files' (N, C, H, W) into a view of (N, H, W, C): this turns it back.
        yield Split(data.data.transpose(0, 3, 1, 2), np.array(data.targets, dtype=np.int64))


def _reader(name: str) -> Any:  # noqa: ANN401 - torchvision publishes no types
    from torchvision import datasets

    return getattr(datasets, name)
