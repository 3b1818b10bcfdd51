"""Images to encode: a data set's test images, or the user's own files."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.cli.condition import wanted_condition
from gtk.core.storage.run_source import RunSource
from gtk.core.values.condition import Classes
from gtk.core.values.dataset import Split
from gtk.core.values.errors import InvalidValue
from gtk.core.values.preprocessing import Preprocessing
from gtk.core.values.text import visible

logger = logging.getLogger("gtk")

#: What to do about dark files, before the option that settles it where data are read.
DARK_FILES = " scale them as the run's data were; in a training on such images,"


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


def refuse_condition(label: str | None, conditions: Sequence[str]) -> None:
    """Refuse --label and --condition with test images, which have their own.

    Raises:
        InvalidValue: one is given.
    """
    if label is not None or conditions:
        raise InvalidValue("--label and --condition are for files: leave them out, or name files")


def load_test_images(source: RunSource, data_root: Path | None = None) -> Split:
    """Load the test images of the data that a run was trained on.

    Args:
        source: the run.
        data_root: where the data are now; by default where they were.

    Raises:
        GtkError: the data cannot be read, have changed since, or have no test images.
    """
    from gtk.core.storage.run_data import load_again

    dataset = load_again(source.run, data_root, ", or give image files")
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
    source: RunSource,
    files: Sequence[Path],
    label: str | None,
    conditions: Sequence[str],
    *,
    single: bool = False,
) -> Inputs:
    """Read the user's own images, all of one condition, as the run's data were read.

    With `single` that is one image for each file, also where the data's pages were images.

    Raises:
        InvalidValue: a file is not an image, or the model needs a condition that is not given, or
            takes none.
    """
    from gtk.plugins.datasets.decoded_counts import DecodedCounts
    from gtk.plugins.datasets.decoding import decode, quiet_pillow
    from gtk.plugins.datasets.remedy import spelled

    spec = source.condition
    wanted = wanted_condition(spec, label, conditions)
    if spec is not None and wanted is None:
        how = "--label CLASS" if isinstance(spec, Classes) else "--condition NAME=VALUE"
        raise InvalidValue(
            f"{source.reference} is conditional: give the condition of {files[0]} with {how}"
        )
    config = source.run.settings.configs["data"]
    reading = Preprocessing.of(config) or Preprocessing()
    all_pages = not single and getattr(config, "pages", "first") == "all"
    shape = source.run.data_spec.image_shape
    found, names, counts = [], list[str](), DecodedCounts(reading.range)
    for file in files:
        with quiet_pillow():
            decoded = decode(
                file, shape, reading.fit, reading.range, centre=reading.centre, all_pages=all_pages
            )
        if decoded.left_out:
            total = len(decoded.images) + decoded.left_out
            logger.warning("%s: the first of %d pages is used", visible(file), total)
        counts.add(replace(decoded, left_out=0))
        found.append(decoded.images)
        count = len(decoded.images)
        names += [f"{file.name} {page}" if count > 1 else file.name for page in range(1, count + 1)]
    for note in counts.notes(DARK_FILES):
        logger.warning("%s", spelled(note))
    labels = None if wanted is None else wanted[None].repeat(len(names), axis=0)
    return Inputs(np.concatenate(found), labels, tuple(names))
