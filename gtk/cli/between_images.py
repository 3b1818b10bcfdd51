"""The way from one image to another through a latent space."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.cli.inputs import (
    Inputs,
    load_test_images,
    read_files,
    refuse_condition,
    take_test_images,
)
from gtk.cli.picture import Layout, percentages
from gtk.cli.source import RunSource
from gtk.core.values.condition import Classes
from gtk.core.values.errors import InvalidValue
from gtk.core.values.interpolation import straight


def between_images(
    source: RunSource,
    ends: tuple[str, str],
    label: str | None,
    conditions: Sequence[str],
    steps: int,
    data_root: Path | None = None,
) -> Layout:
    """Go straight from one image's posterior mean to another's, and decode on the way.

    Between images of two classes there is a row for each class, decoded as that class.
    Attributes and numbers change along with the latent code instead.

    Raises:
        GtkError: a model without encoder, or an image that does not exist or cannot be read.
    """
    from gtk.core.models.sampling import to_pixels
    from gtk.plugins.families.reconstruction import LatentSpace

    latent = LatentSpace(source.model)
    first, last = _read(source, ends, label, conditions, data_root)
    codes = [latent.encode(item.images, item.labels)[0] for item in (first, last)]
    path = straight(codes[0], codes[1], np.linspace(0, 1, steps))
    rows, names = [], []
    for labels, name in _labels(source, first, last, steps):
        decoded = to_pixels(latent.decode(path, labels))
        rows.append(np.concatenate([first.pixels, decoded, last.pixels]))
        names.append(name)
    return Layout(
        np.concatenate(rows),
        steps + 2,
        column_names=(first.names[0], *percentages(steps), last.names[0]),
        row_names=names,
    )


def _labels(
    source: RunSource, first: Inputs, last: Inputs, steps: int
) -> list[tuple[NDArray[Any] | None, str]]:
    """Return the condition of every step in each row, and the row's name."""
    spec = source.condition
    if spec is None or first.labels is None or last.labels is None:
        return [(None, "")]
    if not isinstance(spec, Classes):
        return [(straight(first.labels[0], last.labels[0], np.linspace(0, 1, steps)), "")]
    classes = dict.fromkeys(int(item[0]) for item in (first.labels, last.labels))
    return [(np.full(steps, label), f"as {spec.name(np.array(label))}") for label in classes]


def _read(
    source: RunSource,
    ends: tuple[str, str],
    label: str | None,
    conditions: Sequence[str],
    data_root: Path | None,
) -> list[Inputs]:
    """Return the two images: a number names a test image, anything else a file.

    Raises:
        InvalidValue: there is no such test image, or a condition is given without a file.
    """
    numbered = [end.isdecimal() for end in ends]
    if data_root is not None and not any(numbered):
        raise InvalidValue("--data-root is for test images: leave it out, or name one by number")
    if all(numbered):
        refuse_condition(label, conditions)
    split = load_test_images(source, data_root) if any(numbered) else None
    found = []
    for end in ends:
        if split is None or not end.isdecimal():
            found.append(read_files(source, [Path(end)], label, conditions, single=True))
        elif len(end) < 20 and int(end) < len(split):  # Python refuses thousands of digits
            found.append(take_test_images(source, split, np.array([int(end)])))
        else:
            raise InvalidValue(
                f"there is no test image {end}: give 0..{len(split) - 1}, or ./{end} for a file "
                "of that name"
            )
    return found
