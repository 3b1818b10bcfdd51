"""Images to encode: a data set's test images, or the user's own files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtk.cli.condition import wanted_condition
from gtk.cli.source import RunSource
from gtk.core.values.condition import Classes
from gtk.core.values.errors import InvalidValue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gtk.core.values.dataset import Split


@dataclass(frozen=True)
class Inputs:
    """Images with what a model has to be told of each.

    Attributes:
        images: (N, C, H, W), uint8.
        labels: (N,) or (N, n), as the model's condition encodes them; None where it has none.
        names: of each, for people: its class or condition, or its file.
    """

    images: "NDArray[np.uint8]"
    labels: "NDArray[Any] | None"
    names: tuple[str, ...]

    @property
    def pixels(self) -> "NDArray[np.uint8]":
        """The images as a picture takes them: (N, H, W) if grey, (N, H, W, 3) in colour."""
        return self.images[:, 0] if self.images.shape[1] == 1 else self.images.transpose(0, 2, 3, 1)


def load_test_images(source: RunSource) -> "Split":
    """Load the test images of the data that a run was trained on.

    Raises:
        GtkError: the data cannot be read, are others by now, or have no test images.
    """
    from gtk.core.training.training import load_dataset

    dataset = load_dataset(source.run.settings)
    if dataset.spec != source.run.data_spec:
        raise InvalidValue(
            f"the data set {dataset.spec.name} is not as {source.run.path} was trained on it: "
            "classes or image size differ"
        )
    if not len(dataset.test):
        raise InvalidValue(f"{dataset.spec.name} has no test images: give image files")
    return dataset.test


def take_test_images(source: RunSource, split: "Split", rows: "NDArray[np.int64]") -> Inputs:
    """Return the test images with these row numbers."""
    import numpy as np

    from gtk.core.values.dataset import Split

    taken = Split(split.images[rows], split.labels[rows])
    known = source.run.data_spec.condition
    names = tuple(
        f"image {row}" if known is None else known.name(label)
        for row, label in zip(rows, taken.labels, strict=True)
    )
    images = np.ascontiguousarray(taken.images)
    return Inputs(images, None if source.condition is None else taken.labels, names)


def read_files(
    source: RunSource, files: Sequence[Path], label: str | None, conditions: Sequence[str]
) -> Inputs:
    """Read the user's own images, all of one condition.

    Raises:
        InvalidValue: a file is no image, or a condition is needed and not given, or the reverse.
    """
    import numpy as np

    from gtk.plugins.datasets.decoding import decode_image

    spec = source.condition
    wanted = wanted_condition(spec, label, conditions)
    if spec is not None and wanted is None:
        how = "--label CLASS" if isinstance(spec, Classes) else "--condition NAME=VALUE"
        raise InvalidValue(
            f"{source.reference} is conditional: say what {files[0]} shows with {how}"
        )
    images = np.stack([decode_image(file, source.run.data_spec) for file in files])
    labels = None if wanted is None else np.stack([wanted] * len(files))
    return Inputs(images, labels, tuple(file.name for file in files))
