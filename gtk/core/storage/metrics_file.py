"""The figures of a run, a JSON object a line; a training that goes on cuts them back first."""

import json
import math
import os
from pathlib import Path
from typing import Any

from gtk.core.values.errors import UserError


class MetricsFile:
    """A file with a line for each report: step, epoch, split, images, unit, terms.

    Args:
        path: the file; made with its first line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, line: dict[str, Any]) -> None:
        """Add a line.

        Raises:
            ValueError: a figure is not finite, which JSON cannot say.
        """
        with self.path.open("a") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")

    def size(self) -> int:
        """Return the file's bytes, and have them written to disk by now."""
        if not self.path.exists():
            return 0
        with self.path.open("a") as file:
            os.fsync(file.fileno())
        return self.path.stat().st_size

    def truncate(self, size: int) -> None:
        """Cut back to what a checkpoint knew; never make it longer."""
        with self.path.open("a") as file:
            file.truncate(min(size, self.path.stat().st_size))

    def lines(self, size: int | None = None) -> list[dict[str, Any]]:
        """Return all lines; a last one that was cut off by a kill is left out.

        Args:
            size: read only so many bytes, as a checkpoint knew them.

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
                _ = line["split"]
                figures = line["step"], line["epoch"], *dict(line["terms"]).values()
                whole = all(map(math.isfinite, figures))
            except (ValueError, LookupError, TypeError, OverflowError) as error:
                raise UserError(f"line {number} of {self.path} is damaged") from error
            if not whole:
                raise UserError(f"line {number} of {self.path} is damaged")
            lines.append(line)
        return lines
