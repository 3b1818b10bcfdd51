"""Images to encode: a data set's test images, or the user's own files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.cli.condition import wanted_condition
from gtk.cli.source import RunSource
from gtk.core.values.condition import Classes
from gtk.core.values.dataset import Split
from gtk.core.values.errors import InvalidValue


@dataclass(frozen=True)
class Inputs:
    """Images with their conditions.

    Attributes:
        images: (N, C, H, W), uint8.
        labels: (N,) or (N, n), as the model's condition encodes them; None without a condition.
        names: of each image, for people: its class or condition, or its file.
    """

    images: NDArray[np.uint8]
    labels: NDArray[Any] | None
    names: tuple[str, ...]

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The images as a picture takes them: (N, H, W) if grey, (N, H, W, 3) in colour."""
        return self.images[:, 0] if self.images.shape[1] == 1 else self.images.transpose(0, 2, 3, 1)


def load_test_images(source: RunSource) -> Split:
    """Load the test images of the data that a run was trained on.

    Raises:
        GtkError: the data cannot be read, have changed since, or have no test images.
    """
    from gtk.core.training.training import load_dataset

    dataset = load_dataset(source.run.settings)
    if dataset.spec != source.run.data_spec:
        raise InvalidValue(
            f"data set {dataset.spec.name!r} has other classes or another image size than when "
            f"{source.run.path} was trained on it. Restore the data, or give image files"
        )
    if not len(dataset.test):
        raise InvalidValue(f"data set {dataset.spec.name!r} has no test images: give image files")
    return dataset.test


def take_test_images(source: RunSource, split: Split, rows: NDArray[np.int64]) -> Inputs:
    """Return the test images with these row numbers."""
    images, labels = np.ascontiguousarray(split.images[rows]), split.labels[rows]
    known = source.run.data_spec.condition
    names = tuple(
        f"image {row}" if known is None else known.name(label)
        for row, label in zip(rows, labels, strict=True)
    )
    return Inputs(images, None if source.condition is None else labels, names)


def read_files(
    source: RunSource, files: Sequence[Path], label: str | None, conditions: Sequence[str]
) -> Inputs:
    """Read the user's own images, all of one condition.

    Raises:
        InvalidValue: a file is not an image, or the model needs a condition that is not given, or
            takes none.
    """
    from gtk.plugins.datasets.decoding import decode_image

    spec = source.condition
    wanted = wanted_condition(spec, label, conditions)
    if spec is not None and wanted is None:
        how = "--label CLASS" if isinstance(spec, Classes) else "--condition NAME=VALUE"
        raise InvalidValue(
            f"{source.reference} is conditional: give the condition of {files[0]} with {how}"
        )
    images = np.stack([decode_image(file, source.run.data_spec) for file in files])
    labels = None if wanted is None else wanted[None].repeat(len(files), axis=0)
    return Inputs(images, labels, tuple(file.name for file in files))
