"""The way from one image to another through a latent space, or through noise."""

from collections.abc import Callable, Sequence
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
from gtk.core.storage.run_source import RunSource
from gtk.core.values.condition import Classes
from gtk.core.values.errors import InvalidValue
from gtk.core.values.interpolation import spherical, straight

Way = Callable[[NDArray[Any], NDArray[Any], NDArray[np.float64]], NDArray[np.float32]]


def between_images(
    source: RunSource,
    ends: tuple[str, str],
    label: str | None,
    conditions: Sequence[str],
    steps: int,
    data_root: Path | None = None,
    *,
    by_sampler: bool = False,
) -> tuple[Layout, dict[str, Any]]:
    """Go from one image's z to another's, and draw on the way.

    Of a model that encodes, z is the posterior's mean, and the way is straight. Else it is the
    noise to which the sampler traces the image back, and the way is an arc.

    Between images of two classes there is a row for each class, decoded as that class.
    Attributes and numbers change along with the latent code instead. Returned, too, is what the
    images were made with.

    Raises:
        GtkError: a model without encoder whose sampler traces no image back, a model with one where
            the way is wanted `by_sampler`, or an image that does not exist or cannot be read.
    """
    encode, draw, way = _encoder(source)
    traced = source.sampler.inverse() is not None
    if by_sampler and not traced:
        raise InvalidValue(
            "between images, this model decodes what its encoder makes of them, and no sampler "
            "draws: leave --sampler and its options out"
        )
    first, last = _read(source, ends, label, conditions, data_root)
    codes = [encode(item.images, item.labels)[0] for item in (first, last)]
    path = way(codes[0], codes[1], np.linspace(0, 1, steps))
    rows, names = [], []
    for labels, name in _labels(source, first, last, steps):
        decoded = draw(path, labels)
        rows.append(np.concatenate([first.pixels, decoded, last.pixels]))
        names.append(name)
    layout = Layout(
        np.concatenate(rows),
        steps + 2,
        column_names=(first.names[0], *percentages(steps), last.names[0]),
        row_names=names,
    )
    return layout, source.drawn_with if traced else source.weights


def _encoder(source: RunSource) -> tuple[Callable[..., Any], Callable[..., Any], Way]:
    """Return what maps images to z, what draws from z, and the way from one z to another.

    Raises:
        InvalidValue: the model encodes no images, and its sampler traces none back.
    """
    from gtk.core.models.sampling import to_pixels
    from gtk.plugins.families.latent_variable import LatentVariableModel
    from gtk.plugins.families.reconstruction import LatentSpace, map_batches

    inverse = source.sampler.inverse()
    if inverse is not None:
        back = inverse

        def encode(images: NDArray[np.uint8], labels: NDArray[Any] | None) -> NDArray[Any]:
            return map_batches(lambda x, c: back(x, condition=c), source.model, images, labels)

        return encode, source.generate, spherical
    others = [name for name in source.sampler.noise if name != "z"]
    if others and not isinstance(source.model, LatentVariableModel):
        raise InvalidValue(
            f"this sampler draws {', '.join(others)} besides z, so that no image can be traced "
            "back to its noise: choose one that draws none, such as --sampler heun"
        )
    latent = LatentSpace(source.model)
    return latent.encode, lambda *codes: to_pixels(latent.decode(*codes)), straight


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
