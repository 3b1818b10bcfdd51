"""CIFAR-10 and CIFAR-100: small colour photographs."""

from collections.abc import Iterable
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
from gtk.plugins.datasets.unpacking import Archive

FILES10 = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
FILES100 = ("train", "test", "meta")


def load_cifar10(_config: NoConfig, root: Path | None) -> Dataset:
    """Return CIFAR-10's 50,000 training and 10,000 test images, ten kinds of things.

    Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009). The root has
    cifar-10-batches-py or cifar-10-python.tar.gz.
    """
    return _load("cifar10", "CIFAR-10", "CIFAR10", "cifar-10-batches-py", FILES10, root)


def load_cifar100(_config: NoConfig, root: Path | None) -> Dataset:
    """Return CIFAR-100's 50,000 training and 10,000 test images, by its 100 fine classes.

    From the same report. The root has cifar-100-python or cifar-100-python.tar.gz.
    """
    return _load("cifar100", "CIFAR-100", "CIFAR100", "cifar-100-python", FILES100, root)


def _load(
    name: str, title: str, reader: str, place: str, files: tuple[str, ...], root: Path | None
) -> Dataset:
    def read(folder: Path) -> tuple[DataSpec, Iterable[Split]]:
        # The published files are pickles, which can run code when they are read. torchvision
        # compares the MD5 of each with the published one before it reads any, unpacked and
        # downloaded ones, too, so a stranger's file is refused; a test holds it to that.
        classes = torchvision_reader(reader)(folder, train=False).classes
        spec = DataSpec(name, 3, 32, 32, Classes(tuple(classes)))
        return spec, map(_split_of, train_and_test(reader, folder))

    published = Published(
        name=name,
        title=title,
        place=place,
        files=tuple(f"{place}/{file}" for file in files),
        archive=Archive(f"{title.lower()}-python.tar.gz"),
        download=lambda folder: torchvision_reader(reader)(folder, download=True),
    )
    return load_splits(published, root, (3, 32, 32), read)


def _split_of(data: Any) -> Split:  # noqa: ANN401 - torchvision publishes no types
    # torchvision turns the files' (N, C, H, W) into a view of (N, H, W, C): this turns it back.
    return Split(data.data.transpose(0, 3, 1, 2), np.array(data.targets, dtype=np.int64))
