"""Grids of images as PNG files."""

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.errors import InvalidValue
from gtk.core.values.output import write_file

#: Small images are magnified to about this height, in whole steps and without smoothing.
CELL_HEIGHT = 64
#: The most pixels of a picture; viewers do not open larger ones.
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
        scale: each pixel becomes a square this wide; by default one that brings an image to about
            64 pixels of height.

    Returns:
        (height, width) or (height, width, 3).

    Raises:
        InvalidValue: the picture would have more than a hundred million pixels.
    """
    grid = tiled(images, columns, GAP, GAP_LEVEL)
    factor = scale or max(1, round(CELL_HEIGHT / images.shape[1]))
    check_picture(*(length * factor for length in grid.shape[:2]))
    return grid.repeat(factor, axis=0).repeat(factor, axis=1)


def tiled(images: NDArray[np.uint8], columns: int, gap: int, level: int) -> NDArray[np.uint8]:
    """Lay images out row by row, with pixels of a grey level between them."""
    count, height, width = images.shape[:3]
    rows, down, across = -(-count // columns), height + gap, width + gap
    shape = (rows * down - gap, columns * across - gap, *images.shape[3:])
    grid = np.full(shape, level, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * down, index % columns * across
        grid[top : top + height, left : left + width] = image
    return grid


def check_picture(height: int, width: int) -> None:
    """Raise `InvalidValue` for a picture of more than a hundred million pixels."""
    if height * width > MOST_PIXELS:
        raise InvalidValue(
            f"the picture would have {width:,}x{height:,} pixels: draw fewer images, or give a "
            "smaller scale"
        )


def shrunk(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return (H, W) or (H, W, 3) pixels at a smaller size."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize((width, height), Image.Resampling.BOX))


def write_png(pixels: NDArray[np.uint8], path: Path, *, follow: bool = True) -> None:
    """Write (H, W) or (H, W, 3) pixels as PNG, by rename: the file is whole or absent.

    Raises:
        UserError: it cannot be written, or is a link without `follow`.
    """
    from PIL import Image

    content = BytesIO()
    Image.fromarray(pixels).save(content, format="PNG")
    write_file(path, content.getvalue(), follow=follow)
