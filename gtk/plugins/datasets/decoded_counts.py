"""What the user should know about decoded files: what was left out, or looks wrong."""

from collections.abc import Iterator

from gtk.core.values.text import counted
from gtk.plugins.datasets.decoding import DecodedFile
from gtk.plugins.datasets.levels import beyond_note
from gtk.plugins.datasets.remedy import with_remedy


class DecodedCounts:
    """Counts of files with something to note.

    Args:
        limits: the stored values that become black and white; empty without a range of the user's.
    """

    def __init__(self, limits: tuple[float, ...]) -> None:
        self._limits = limits
        self._stacks = self._pages = self._dark = self._beyond = 0
        self._largest = 0.0
        self._files = self._halved = self._dim = self._brightest = 0
        self._contrast = False

    def add(self, file: DecodedFile) -> None:
        """Count a file."""
        self._stacks += file.left_out > 0
        self._pages += file.left_out
        self._beyond += file.beyond
        if file.largest is not None:
            self._dark += 1
            self._largest = max(self._largest, file.largest)
        self._files += 1
        self._halved += file.halved
        if file.dim is not None:
            self._dim += 1
            self._brightest = max(self._brightest, file.dim[0])
            self._contrast = self._contrast or file.dim[1]

    def notes(self, before: str = "") -> Iterator[str]:
        """Yield a note for each kind that was found, with this text before an option for ranges."""
        if self._pages:
            yield with_remedy(
                f"files of several pages or frames: {self._stacks}, with pages after the first "
                f"that were not read: {self._pages}:", "pages", "all", " makes each an image",
            )  # fmt: skip
        if self._largest:  # some black images alone are black
            top = f"{self._largest:.15g}"
            yield with_remedy(
                "images of more than 8 bits that use less than a quarter of their range, and so "
                f"are nearly black: {self._dark}, with values up to {top}:{before}", "range",
                f"0,{top}", " makes that white",
            )  # fmt: skip
        if self._dim == self._files and self._contrast:  # masks, or classes as levels
            yield with_remedy(
                f"all images are nearly black: their largest value is {self._brightest} of 255:"
                f"{before}", "range", f"0,{self._brightest}", " makes that white",
            )  # fmt: skip
        if self._halved:
            files = counted(self._halved, "file")
            yield f"colour of 16 bits a channel, of which the high 8 are read: {files}"
        if self._beyond:
            yield beyond_note(self._beyond, self._limits)
