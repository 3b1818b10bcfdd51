"""metrics.jsonl: the metrics of a run, a JSON object a line."""

import json
import math
import os
from pathlib import Path
from typing import Any, TextIO

from gtk.core.values.errors import UserError
from gtk.core.values.ordinary_file import NotOrdinary, append_to
from gtk.core.values.output import unwritable


class MetricsFile:
    """A file with a line for each report: step, epoch, split, images, unit, terms."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, line: dict[str, Any]) -> None:
        """Add a line; JSON cannot hold numbers that are not finite, so they are a ValueError."""
        with self._opened() as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")

    def _opened(self) -> TextIO:
        """Open the file to write to it; a link is not followed."""
        try:
            return append_to(self.path)
        except NotOrdinary as error:
            raise unwritable(self.path, error) from error

    def size(self) -> int:
        """Write the file to disk now, and return its size in bytes."""
        if not self.path.exists():
            return 0
        with self._opened() as file:
            os.fsync(file.fileno())
        return self.path.stat().st_size

    def truncate(self, size: int) -> None:
        """Cut the file back to its size at a checkpoint; never make it longer."""
        with self._opened() as file:
            file.truncate(min(size, self.path.stat().st_size))

    def lines(self, size: int | None = None) -> list[dict[str, Any]]:
        """Return the lines in the first `size` bytes, without a last one that a kill cut off.

        Raises:
            UserError: a line is not what gtk writes.
        """
        if not self.path.exists():
            return []
        known = self.path.read_bytes()[:size].decode(errors="replace")
        lines = []
        for number, text in enumerate(known.split("\n")[:-1], start=1):
            try:
                line = json.loads(text)
                numbers = line["step"], line["epoch"], *dict(line["terms"]).values()
                whole = "split" in line and all(map(math.isfinite, numbers))
            except (ValueError, LookupError, TypeError, OverflowError):
                whole = False
            if not whole:
                raise UserError(f"line {number} of {self.path} is damaged")
            lines.append(line)
        return lines
