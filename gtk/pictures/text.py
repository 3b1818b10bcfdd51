"""Lines of text as pixels, drawn by Pillow."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

#: Grey levels of paper and ink.
PAPER, INK = 255, 0
ELLIPSIS = "..."
#: The most letters of a line; no picture is so wide that it shows more.
MOST_LETTERS = 1000


@cache
def load_font(size: int) -> Font:
    """Return matplotlib's DejaVu Sans, or else Pillow's own font, `size` pixels high.

    matplotlib is found without an import, which would take half a second.
    """
    package = find_spec("matplotlib")
    if package is not None and package.origin is not None:
        file = Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if file.is_file():  # the basic layout draws the same pixels with and without libraqm
            return ImageFont.truetype(file, size, layout_engine=ImageFont.Layout.BASIC)
    return ImageFont.load_default(size)


def text_width(text: str, size: int) -> int:
    """Return the width of a line in pixels; of a longer one, that of its first letters."""
    text = text[:MOST_LETTERS]  # Pillow refuses a million, and a class's name may have as many
    return round(load_font(size).getlength(text))


def shorten(text: str, size: int, limit: int) -> str:
    """Return as much of a line as fits into `limit` pixels, with an ellipsis where it is cut."""
    if len(text) <= MOST_LETTERS and text_width(text, size) <= limit:
        return text
    for length in range(min(len(text), MOST_LETTERS) - 1, 0, -1):
        shortened = text[:length].rstrip() + ELLIPSIS
        if text_width(shortened, size) <= limit:
            return shortened
    return ""


def line_height(size: int) -> int:
    """Return the height of a line in pixels, from the highest letter to the lowest."""
    _, top, _, bottom = load_font(size).getbbox("Äg")
    return round(bottom - top)


def draw_line(text: str, size: int) -> NDArray[np.uint8]:
    """Draw one line, dark on white: (line_height, width), at least one pixel wide."""
    font = load_font(size)
    _, top, _, _ = font.getbbox("Äg")
    image = Image.new("L", (max(1, text_width(text, size)), line_height(size)), PAPER)
    ImageDraw.Draw(image).text((0, -top), text, fill=INK, font=font)
    return np.asarray(image)
