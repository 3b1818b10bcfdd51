"""Grids of images as PNG files."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.errors import InvalidValue
from gtk.core.values.output import write_file
from gtk.pictures.picture_text import png_text

#: Small images are magnified to about this height, in whole steps and without smoothing.
CELL_HEIGHT = 64
#: The most pixels of a picture; viewers do not open larger ones.
MOST_PIXELS = 100_000_000
#: The longest side of a picture; browsers and many viewers stop there, a GIF at twice as many.
MOST_SIDE = 32_767
#: The most columns where each is a class or another example of a condition: the first ones are
#: shown, since a picture of a thousand columns shows nothing.
MOST_COLUMNS = 100
#: Pixels that names around a grid may take, and rounding.
MARGIN = 700
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
        InvalidValue: the picture would be larger than `check_picture` allows.
    """
    factor = scale or usual_scale(images.shape[1])
    check_grid(len(images), columns, images.shape[1:3], scale)
    grid = tiled(images, columns, GAP, GAP_LEVEL)
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


def usual_scale(height: int) -> int:
    """Return the magnification of images of this height."""
    return max(1, round(CELL_HEIGHT / height))


def most_columns(size: tuple[int, int], rows: int, scale: int | None = None) -> int:
    """Return how many columns are shown where each is an example of a condition, at least 1.

    Args:
        size: height and width of an image.
        rows: images in a column, and in all frames of an animation.
        scale: as in `image_grid`.
    """
    down, across = ((side + GAP) * (scale or usual_scale(size[0])) for side in size)
    most = min((MOST_SIDE - MARGIN) // across, (MOST_PIXELS - MARGIN**2) // (rows * down * across))
    return max(1, min(MOST_COLUMNS, most))


def enough_columns(
    total: int, columns: int, size: tuple[int, int], scale: int | None = None
) -> int:
    """Return a multiple of the columns with which images that repeat fit below `MOST_SIDE`."""
    rows = max(1, (MOST_SIDE - MARGIN) // ((size[0] + GAP) * (scale or usual_scale(size[0]))))
    return columns * -(-total // (columns * rows))


def check_grid(total: int, columns: int, size: tuple[int, int], scale: int | None = None) -> None:
    """Raise `InvalidValue` where `image_grid` would, before the images of this size are drawn."""
    factor = scale or usual_scale(size[0])
    cells = -(-total // columns), columns
    height, width = (
        (count * (side + GAP) - GAP) * factor for count, side in zip(cells, size, strict=True)
    )
    check_picture(height, width)


def check_picture(height: int, width: int) -> None:
    """Raise `InvalidValue` for more than a hundred million pixels, or a side over `MOST_SIDE`."""
    if height * width > MOST_PIXELS or max(height, width) > MOST_SIDE:
        raise InvalidValue(
            f"the picture would have {width:,}x{height:,} pixels: draw fewer images, or give a "
            "smaller scale"
        )


def shrunk(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return (H, W) or (H, W, 3) pixels at a smaller size."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize((width, height), Image.Resampling.BOX))


def write_png(
    pixels: NDArray[np.uint8],
    path: Path,
    *,
    follow: bool = True,
    text: Mapping[str, str] | None = None,
) -> None:
    """Write (H, W) or (H, W, 3) pixels as PNG, by rename: the file is whole or absent.

    The `text` goes into the file by its keys: tEXt, or iTXt where it is not Latin-1.

    Raises:
        UserError: it cannot be written, or is a link without `follow`.
    """
    from PIL import Image

    content = BytesIO()
    Image.fromarray(pixels).save(content, format="PNG", pnginfo=png_text(text or {}))
    write_file(path, content.getvalue(), follow=follow)
