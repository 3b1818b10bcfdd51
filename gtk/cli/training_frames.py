"""The pictures of samples that a training has left, as frames of an animation."""

import re
from typing import TYPE_CHECKING

from gtk.cli.picture import Layout
from gtk.core.storage.run import Run
from gtk.core.values.errors import InvalidValue, UserError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


def training_frames(
    run: Run, *, labels: bool
) -> "tuple[list[NDArray[np.uint8]], Layout, list[int]]":
    """Return pictures/samples-0030.png and the like by epoch.

    Args:
        run: the run.
        labels: whether the epoch and the classes' names are drawn above each.

    Returns:
        The frames, (H, W) or (H, W, 3) each; the last one to show in a terminal; the epochs.

    Raises:
        UserError: there are none, or they cannot be read, or differ in size.
    """
    files = _by_epoch(run)
    if not files:
        raise InvalidValue(
            f"{run.pictures} has no pictures of samples: draw a walk with --walk, or train anew"
        )
    pictures = [_read(path) for path in files.values()]
    if len({picture.shape for picture in pictures}) > 1:
        raise InvalidValue(f"the pictures of samples in {run.pictures} are not of one size")
    last = Layout(pictures[-1][None], 1)
    if not labels:
        return pictures, last, list(files)
    from gtk.pictures.labels import add_names

    names, pitch = _columns(run, pictures[-1])
    digits = len(str(max(files)))
    frames = [
        # Figures are all of one width, so that nothing moves but they.
        add_names(
            picture, pitch, column_names=names, column_title=f"epoch {str(epoch).zfill(digits)}"
        )
        for epoch, picture in zip(files, pictures, strict=True)
    ]
    return frames, last, list(files)


def _by_epoch(run: Run) -> "dict[int, Path]":
    found = {
        int(match[1]): path
        for path in run.pictures.glob("samples-*.png")
        if (match := re.fullmatch(r"samples-(\d+)\.png", path.name))
    }
    return dict(sorted(found.items()))


def _read(path: "Path") -> "NDArray[np.uint8]":
    import numpy as np
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L" if image.mode == "L" else "RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(
            f"{path} cannot be read as a picture: remove it to go on without"
        ) from error


def _columns(run: Run, picture: "NDArray[np.uint8]") -> tuple[list[str], tuple[int, int]]:
    """Return the names of the columns, if the picture has one for each, and its pitch."""
    from gtk.pictures.grid import CELL_HEIGHT, GAP

    spec = run.data_spec
    factor = max(1, round(CELL_HEIGHT / spec.height))
    pitch = (spec.height + GAP) * factor, (spec.width + GAP) * factor
    names = [] if run.condition is None else run.condition.example_names()
    fits = picture.shape[1] == len(names) * pitch[1] - GAP * factor
    return (names if fits else []), pitch
