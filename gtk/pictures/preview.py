"""A picture in the terminal: each character shows two pixels, an upper and a lower one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.color import Color
from rich.style import Style
from rich.text import Text

from gtk.core.values.text import visible
from gtk.pictures.grid import shrunk


def half_blocks(pixels: NDArray[np.uint8], width: int, height: int | None = None) -> Text:
    """Render (H, W) or (H, W, 3) pixels as lines of characters.

    Args:
        pixels: of a grey or a colour picture.
        width: most characters of a line; a larger picture is made smaller, in proportion.
        height: most lines; None for any number.
    """
    if pixels.ndim == 2:
        pixels = pixels[..., None].repeat(3, axis=2)
    rows, columns = pixels.shape[:2]
    scale = min(1.0, width / columns, 1.0 if height is None else 2 * height / rows)
    if scale < 1:
        pixels = shrunk(pixels, max(1, round(rows * scale)), max(1, round(columns * scale)))
    if len(pixels) % 2:
        pixels = np.concatenate([pixels, np.zeros_like(pixels[:1])])
    text = Text()
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        for top, bottom in zip(upper, lower, strict=True):
            # A named style would keep the colours of the first console that shows it.
            colors = (Color.from_rgb(*pixel.tolist()) for pixel in (top, bottom))
            text.append("▀", Style.from_color(*colors))
        text.append("\n")
    return text


def names_above(names: Sequence[str], pitch: int, across: int, width: int) -> Text:
    """Return a line with each column's name above the middle of its column in `half_blocks`.

    Args:
        names: of the columns.
        pitch: pixels from one column to the next.
        across: pixels of the whole grid.
        width: characters of the terminal.

    Returns:
        The line with its end; empty without names, or if one of them is too long.
    """
    column = pitch * min(1, width / across)
    shown = [visible(name) for name in names]
    if not any(shown) or any(cell_len(name) > column - 1 for name in shown):
        return Text()
    line = ""
    for index, name in enumerate(shown):
        left = int(column * (index + 0.5) - cell_len(name) / 2)
        line += " " * max(0, left - cell_len(line)) + name
    return Text(visible(line)).append("\n")
