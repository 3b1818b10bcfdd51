"""Names around a grid of images: above its columns and left of its rows."""

import math
from collections.abc import Sequence
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.text import visible
from gtk.pictures.grid import GAP, check_picture, image_grid
from gtk.pictures.text import PAPER, draw_line, line_height, shorten, text_width

#: How many times wider a cell is than letters are high, and the limits of that height in pixels.
LETTERS_IN_CELL, SMALLEST, LARGEST = 5, 12, 20
#: Pixels around a line, and how many times the letters' height a name beside a grid may be long.
PAD, LONGEST = 4, 14


class Names(TypedDict, total=False):
    """Names around a grid.

    Attributes:
        column_names: one for each column, "" for none; upright where all fit, else turned.
        row_names: one for each row, "" for none.
        column_title: what the columns' names stand for.
        row_title: what the rows' names stand for.
    """

    column_names: Sequence[str]
    row_names: Sequence[str]
    column_title: str
    row_title: str


def labelled_grid(
    images: NDArray[np.uint8], columns: int, *, scale: int | None = None, **names: Unpack[Names]
) -> NDArray[np.uint8]:
    """Lay images out as `image_grid` does, in a white margin with names.

    Args:
        images: (N, H, W) if grey, (N, H, W, 3) in colour.
        columns: images in a row.
        scale: each pixel becomes a square this wide; by default as in `image_grid`.
        **names: see `Names`.

    Returns:
        (height, width) or (height, width, 3), with the grid in the lower right corner.

    Raises:
        InvalidValue: the picture would have more than a hundred million pixels.
    """
    grid = image_grid(images, columns, scale)
    height, width = images.shape[1:3]
    factor = grid.shape[1] // (columns * (width + GAP) - GAP)
    return add_names(grid, ((height + GAP) * factor, (width + GAP) * factor), **names)


def add_names(
    picture: NDArray[np.uint8], pitch: tuple[int, int], **names: Unpack[Names]
) -> NDArray[np.uint8]:
    """Put names around a grid that has been drawn.

    Args:
        picture: (height, width) or (height, width, 3).
        pitch: pixels from one row to the next, and from one column to the next.
        **names: see `Names`.

    Raises:
        InvalidValue: the picture would have more than a hundred million pixels.
    """
    high, wide = picture.shape[:2]
    down, across = pitch
    size = min(max(across // LETTERS_IN_CELL, SMALLEST), LARGEST)
    title, columns = names.get("column_title", ""), names.get("column_names", ())
    above = [
        _strip([line.T for line in _lines([title], size, wide)], wide, wide).T,
        _strip([line.T for line in _column_lines(columns, size, across)], across, wide).T,
    ]
    title, rows = names.get("row_title", ""), names.get("row_names", ())
    beside = [
        _strip([np.rot90(line) for line in _lines([title], size, high)], high, high),
        _strip(_lines(rows, size, LONGEST * size, pitch=down), down, high),
    ]
    left = sum(strip.shape[1] for strip in beside)
    top = sum(strip.shape[0] for strip in above)
    check_picture(high + top, wide + left)
    canvas = np.full((high + top, wide + left, *picture.shape[2:]), PAPER, np.uint8)
    ink = canvas.reshape(high + top, wide + left, -1)  # the same levels in every channel
    ink[:top, left:] = np.concatenate(above)[..., None]
    ink[top:, :left] = np.concatenate(beside, axis=1)[..., None]
    canvas[top:, left:] = picture
    return canvas


def _column_lines(names: Sequence[str], size: int, pitch: int) -> list[NDArray[np.uint8]]:
    """Draw names above cells: upright if all of them fit, else reading upwards."""
    if all(text_width(visible(name), size) <= pitch - PAD for name in names):
        return _lines(names, size, pitch)
    return [np.rot90(line) for line in _lines(names, size, LONGEST * size, pitch=pitch)]


def _lines(
    names: Sequence[str], size: int, limit: int, *, pitch: int | None = None
) -> list[NDArray[np.uint8]]:
    """Draw names of at most `limit` pixels; only every n-th where cells are lower than a line."""
    if not any(names):
        return []
    every = 1 if pitch is None else math.ceil(line_height(size) / pitch)
    kept = [name if index % every == 0 else "" for index, name in enumerate(names)]
    return [draw_line(shorten(visible(name), size, limit), size) for name in kept]


def _strip(lines: Sequence[NDArray[np.uint8]], pitch: int, length: int) -> NDArray[np.uint8]:
    """Set lines below each other, each at the middle of its cell and at the right edge.

    Returns:
        (length, width), where width is 0 without lines.
    """
    width = max((line.shape[1] + 2 * PAD for line in lines), default=0)
    strip = np.full((length, width), PAPER, np.uint8)
    for index, line in enumerate(lines):
        top = max(0, index * pitch + (pitch - line.shape[0]) // 2)
        bottom = min(top + line.shape[0], length)
        strip[top:bottom, width - PAD - line.shape[1] : width - PAD] = line[: bottom - top]
    return strip
