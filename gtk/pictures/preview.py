"""A picture in the terminal: two pixels to a character, upper half and lower half."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.color import Color
from rich.style import Style
from rich.text import Text

from gtk.core.values.text import visible


def half_blocks(pixels: NDArray[np.uint8], width: int, height: int | None = None) -> Text:
    """Render (H, W) or (H, W, 3) pixels as lines of characters.

    Args:
        pixels: of a grey or a colour picture.
        width: characters that a line may have; a larger picture is made smaller, in proportion.
        height: lines that there may be; None for as many as it takes.
    """
    if pixels.ndim == 2:
        pixels = pixels[..., None].repeat(3, axis=2)
    rows, columns = pixels.shape[:2]
    scale = min(1.0, width / columns, 1.0 if height is None else 2 * height / rows)
    if scale < 1:
        pixels = _shrink(pixels, max(1, round(columns * scale)), max(1, round(rows * scale)))
    if len(pixels) % 2:
        pixels = np.concatenate([pixels, np.zeros_like(pixels[:1])])
    text = Text()
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        for top, bottom in zip(upper, lower, strict=True):
            # Not by its name: rich keeps a named style in the colours of its first console.
            text.append("▀", Style(color=_color(top), bgcolor=_color(bottom)))
        text.append("\n")
    return text


def _color(pixel: NDArray[np.uint8]) -> Color:
    red, green, blue = pixel.tolist()
    return Color.from_rgb(red, green, blue)


def _shrink(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))


def names_above(names: Sequence[str], pitch: int, across: int, width: int) -> Text:
    """Return a line with each column's name above the middle of its column in `half_blocks`.

    Args:
        names: of the columns.
        pitch: pixels from one column to the next.
        across: pixels of the whole grid.
        width: characters of the terminal.

    Returns:
        The line with its end, or no text where there are no names or not all of them fit.
    """
    column = pitch * min(1, width / across)
    shown = [visible(name) for name in names]
    if not any(shown) or any(cell_len(name) > column - 1 for name in shown):
        return Text()
    line = ""
    for index, name in enumerate(shown):
        left = int(column * (index + 0.5) - cell_len(name) / 2)
        line += " " * max(0, left - cell_len(line)) + name
    return Text(line + "\n")
