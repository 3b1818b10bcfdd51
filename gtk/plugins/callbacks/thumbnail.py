"""The newest picture of a run, small enough for a corner of the terminal."""

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.segment import Segment

from gtk.core.storage.run import Run
from gtk.pictures.preview import half_blocks

#: Fewer lines than this show nothing anybody can make out.
LINES = 6


class Thumbnail:
    """Draws the newest of pictures/samples-*.png; reads and scales it once.

    Args:
        run: whose pictures they are.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._drawn: tuple[object, ...] = ()
        self._lines: list[list[Segment]] = []

    def lines(self, console: Console, width: int, height: int) -> list[list[Segment]]:
        """Return the picture's lines below one that says what it is; none where it cannot be.

        Args:
            console: which is drawn on; without colours a picture is nothing.
            width: characters that a line may have.
            height: lines that there are.
        """
        if height <= LINES or console.no_color or console.color_system is None:
            return []
        # Longer names are later: numbers of four digits grow to five.
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

    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    text = half_blocks(pixels, width, height - 1)
    text.rstrip()
    epoch = path.stem.removeprefix("samples-").lstrip("0")
    options = console.options.update(width=width, height=None)
    drawn = console.render_lines(text, options, pad=False)
    return [[Segment(f"samples of epoch {epoch}")], *drawn]
