"""Grids of images as PNG files."""

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.errors import InvalidValue
from gtk.core.values.output import write_file

#: Small images are magnified to about this height, in whole steps and without smoothing.
CELL_HEIGHT = 64
#: Pixels of a picture that no viewer opens.
MOST_PIXELS = 100_000_000
#: Pixels between two cells, before magnification, and their grey level.
GAP, GAP_LEVEL = 1, 128


def image_grid(
    images: NDArray[np.uint8], columns: int, scale: int | None = None
) -> NDArray[np.uint8]:
    """Lay images out row by row.

    Args:
        images: (N, H, W) if grey, (N, H, W, 3) in colour.
        columns: images in a row; cells that are left over stay grey.
        scale: each pixel becomes a square this wide; by default as many as bring an image to
            about 64 pixels of height.

    Returns:
        (height, width) or (height, width, 3).

    Raises:
        InvalidValue: the picture would have more than a hundred million pixels.
    """
    count, height, width = images.shape[:3]
    rows = -(-count // columns)
    shape = (rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, *images.shape[3:])
    grid = np.full(shape, GAP_LEVEL, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * (height + GAP), index % columns * (width + GAP)
        grid[top : top + height, left : left + width] = image
    factor = scale or max(1, round(CELL_HEIGHT / height))
    high, wide = (length * factor for length in grid.shape[:2])
    if high * wide > MOST_PIXELS:
        raise InvalidValue(
            f"the picture would have {wide:,}x{high:,} pixels: draw fewer images, or give a "
            "smaller scale"
        )
    return grid.repeat(factor, axis=0).repeat(factor, axis=1)


def write_png(pixels: NDArray[np.uint8], path: Path) -> None:
    """Write (H, W) or (H, W, 3) pixels as PNG, by rename: the file is whole or absent.

    Raises:
        UserError: it cannot be written.
    """
    from PIL import Image

    content = BytesIO()
    Image.fromarray(pixels).save(content, format="PNG")
    write_file(path, content.getvalue())
