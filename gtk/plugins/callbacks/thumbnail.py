"""The newest samples of a run, small enough for the terminal."""

from io import BytesIO
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.segment import Segment

from gtk.core.storage.run import Run
from gtk.core.values.text import visible
from gtk.pictures.embedded import Picture
from gtk.pictures.preview import half_blocks

#: A picture in fewer lines is unreadable.
LINES = 6


class Thumbnail:
    """Draws the newest of a run's pictures/samples-*.png; reads and scales it once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._drawn: tuple[object, ...] = ()
        self._lines: list[list[Segment]] = []

    def lines(self, console: Console, width: int, height: int) -> list[list[Segment]]:
        """Return a caption and the picture's lines, of at most this width and height.

        Nothing without a picture, colours or room.
        """
        if height <= LINES or console.no_color or console.color_system is None:
            return []
        # Longer names are newer: numbers of four digits grow to five.
        paths = list(self._run.pictures.glob("samples-*.png"))
        newest = max(paths, key=lambda path: (len(path.name), path.name), default=None)
        if newest is None:
            return []
        state = newest, newest.stat().st_mtime_ns, width, height
        if state != self._drawn:
            self._lines, self._drawn = _draw(newest, console, width, height), state
        return self._lines


def _draw(path: Path, console: Console, width: int, height: int) -> list[list[Segment]]:
    from PIL import Image

    read = Picture.read(path)
    if read is None:  # damaged, or large: a resumed run may be a stranger's
        return []
    with Image.open(BytesIO(read.content)) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    text = half_blocks(pixels, width, height - 1)
    text.rstrip()
    epoch = path.stem.removeprefix("samples-").lstrip("0")
    options = console.options.update(width=width, height=None)
    drawn = console.render_lines(text, options, pad=False)
    return [[Segment(visible(f"samples of epoch {epoch}"))], *drawn]
