"""Paths of images as tables write them, found among the images of a folder."""

import os
import re
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import PurePosixPath
from unicodedata import normalize

#: The beginning of an absolute path, on any system.
ABSOLUTE = re.compile(r"/|[A-Za-z]:/")
#: The longest path that Linux has; Windows and macOS have shorter ones.
LONGEST_PATH = 4096


class TablePaths:
    """Finds images by paths of other systems: backslashes, accents, case, absolute, no suffix.

    Args:
        images: names below the table's folder.
        written: the paths in the table.
    """

    def __init__(self, images: Collection[str], written: Sequence[str]) -> None:
        self._images = images if isinstance(images, set) else set(images)
        self.prefix = self._find_prefix(written)

    def find(self, written: str) -> str | None:
        """Return the name of the image that a table means, None if no image or several fit."""
        return self._find(written.removeprefix(self.prefix)) if self.prefix else self._find(written)

    @staticmethod
    def is_absolute(written: str) -> bool:
        """Return whether a path begins at the root of a disk."""
        return ABSOLUTE.match(written.replace("\\", "/")) is not None

    def under_another_suffix(self, written: str) -> str | None:
        """Return the name of the only image that differs from a path by its suffix, or None."""
        path = written.removeprefix(self.prefix).replace("\\", "/")
        return self._stems.get(_folded(os.path.splitext(path)[0])) or None  # noqa: PTH122

    def _find(self, written: str) -> str | None:
        if written in self._images:
            return written
        path = written.replace("\\", "/")
        folded = _folded(path if path.startswith("/") else str(PurePosixPath(path)))
        return self._folded.get(folded) or self._stems.get(folded)

    @cached_property
    def _folded(self) -> dict[str, str]:
        """Images by their names in lower case, with composed accents; "" where several fit."""
        return _unique([(_folded(name), name) for name in self._images])

    @cached_property
    def _stems(self) -> dict[str, str]:
        """Likewise by names without suffixes."""
        return _unique([(_folded(os.path.splitext(name)[0]), name) for name in self._images])  # noqa: PTH122 - one of many

    def _find_prefix(self, written: Sequence[str]) -> str:
        """Return the folder that all paths begin with and the table's folder lacks, or "".

        Other programs write absolute paths, and paths from another folder.
        """
        if not written or len(written[0]) > LONGEST_PATH or self._find(written[0]):
            return ""
        first = written[0]
        for place in (at for at, letter in enumerate(first) if letter in "/\\"):
            prefix = first[: place + 1]
            if self._find(first[place + 1 :]):
                return prefix if all(path.startswith(prefix) for path in written) else ""
        return ""


def _unique(pairs: list[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, name in pairs:
        found[key] = "" if key in found else name
    return found


def _folded(name: str) -> str:
    return normalize("NFC", name).casefold()
