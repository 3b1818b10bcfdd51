"""metrics.jsonl: the metrics of a run, a JSON object a line."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from gtk.core.values.errors import UserError
from gtk.core.values.ordinary_file import append_to
from gtk.core.values.output import unwritable, write_file


class MetricsFile:
    """A file with a line for each report: step, epoch, split, images, unit, terms."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, line: dict[str, Any]) -> None:
        """Add a line; JSON cannot hold numbers that are not finite, so they are a ValueError.

        Raises:
            WorkFailed: the disk is full or fails.
        """
        with self._writing() as file:
            file.write((json.dumps(line, allow_nan=False) + "\n").encode())

    def size(self) -> int:
        """Write the file to disk now, and return its size in bytes."""
        if not self.path.exists():
            return 0
        with self._writing() as file:
            os.fsync(file.fileno())
        return self.path.stat().st_size

    def cut_back(self, size: int, step: int) -> str:
        """Cut the file back to its size at a checkpoint, and mend what is damaged before.

        Args:
            size: in bytes.
            step: of the checkpoint.

        Returns:
            A sentence about lines that are lost, an empty string if none are.
        """
        known = self._read(size)
        # Split off what follows the last newline: it is empty, unless a line is cut off.
        *texts, rest = known.split(b"\n")
        lines = [_line(text) for text in texts]
        good = [line is not None and line["step"] <= step for line in lines]
        if len(known) == size and not rest and all(good):
            with self._writing() as file:
                file.truncate(size)
            return ""
        kept = [text + b"\n" for text, whole in zip(texts, good, strict=True) if whole]
        # What was lost moved later lines here: the test's, which is written again.
        while kept and (_line(kept[-1]) or {})["split"] == "test":
            kept.pop()
        write_file(self.path, b"".join(kept), follow=False, synced=True)
        return (
            f"{self.path} has lost lines from before step {step}: {len(kept)} whole ones are left, "
            "and patience counts from these"
        )

    @contextmanager
    def _writing(self) -> Iterator[BinaryIO]:
        """Open the file at its end, and no link; an OSError becomes an error that names it."""
        try:
            with append_to(self.path) as file:
                yield file
        except OSError as error:
            raise unwritable(self.path, error) from error

    def _read(self, size: int | None = None) -> bytes:
        """Return the first `size` bytes, all by default; UserError if they cannot be read."""
        try:
            with self.path.open("rb") as file:
                return file.read(-1 if size is None else min(size, os.fstat(file.fileno()).st_size))
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise UserError(f"{self.path} cannot be read: {error.strerror}") from error

    def whole_lines(self, size: int | None = None) -> list[dict[str, Any]]:
        """Return the lines in the first `size` bytes, without damaged ones."""
        found = map(_line, self._read(size).split(b"\n")[:-1])
        return [line for line in found if line is not None]

    def lines(self, size: int | None = None) -> list[dict[str, Any]]:
        """Return the lines in the first `size` bytes, without a last one that a kill cut off.

        Raises:
            UserError: a line is not what gtk writes.
        """
        lines = []
        for number, text in enumerate(self._read(size).split(b"\n")[:-1], start=1):
            line = _line(text)
            if line is None:
                raise UserError(f"line {number} of {self.path} is damaged")
            lines.append(line)
        return lines


def _line(text: bytes) -> dict[str, Any] | None:
    """Return a line, None if it is not what gtk writes."""
    try:
        line: dict[str, Any] = json.loads(text)
        numbers = line["step"], line["epoch"], *dict(line["terms"]).values()
        whole = "split" in line and all(map(math.isfinite, numbers))
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return None
    return line if whole else None
