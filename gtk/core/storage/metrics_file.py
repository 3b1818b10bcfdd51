"""metrics.jsonl: the metrics of a run, a JSON object a line."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, NotRequired, TypedDict, cast

from gtk.core.settings.json_file import decode_json
from gtk.core.settings.run_file import Count
from gtk.core.values.errors import InvalidValue, UserError
from gtk.core.values.ordinary_file import append_to, open_ordinary
from gtk.core.values.output import unwritable, write_file
from gtk.core.values.text import counted

#: The longest line in bytes: one with a thousand terms has fewer.
LONGEST_LINE = 2**16
#: The largest file in bytes that is kept in memory, which takes several times that.
LARGEST = 16 * 2**20


class MetricsLine(TypedDict):
    """A line of metrics.jsonl: the means of a loss's terms over some images, or figures of samples.

    `better` says whether a higher or a lower value of what is monitored is better, lower if it is
    not there. `units` are those of figures by name, `against` says which images samples are
    compared with, and `judge` by which judge.
    """

    step: Count
    epoch: Count
    split: Literal["train", "validation", "test", "generated"]
    images: NotRequired[Count]
    unit: NotRequired[str]
    units: NotRequired[dict[str, str]]
    against: NotRequired[Literal["validation", "test"]]
    judge: NotRequired[str]
    learning_rate: NotRequired[float | dict[str, float]]
    monitor: NotRequired[str]
    better: NotRequired[Literal["higher", "lower"]]
    images_from: NotRequired[str]
    weights_chosen_on: NotRequired[str]
    terms: dict[str, float]


class MetricsFile:
    """A file with a line for each report: step, epoch, split, images, unit, terms."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hash, self._hashed = hashlib.sha256(), 0  # of its first bytes

    def append(self, line: dict[str, Any]) -> None:
        """Add a line; JSON cannot hold numbers that are not finite, so they are a ValueError.

        Raises:
            WorkFailed: the disk is full or fails.
        """
        with self._writing() as file:
            file.write((json.dumps(line, allow_nan=False) + "\n").encode())

    def digest(self) -> tuple[int, str]:
        """Write the file to disk now, and return its size in bytes and its SHA-256.

        Only what was added since the last call is read.
        """
        if not self.path.exists():
            return 0, hashlib.sha256().hexdigest()
        with self._writing() as file, open_ordinary(self.path) as added:
            os.fsync(file.fileno())
            if file.tell() < self._hashed:  # another program has cut it
                self._hash, self._hashed = hashlib.sha256(), 0
            added.seek(self._hashed)
            while part := added.read(2**20):
                self._hash.update(part)
                self._hashed += len(part)
        return self._hashed, self._hash.hexdigest()

    def cut_back(self, size: int, step: int, sha256: str | None = None) -> str:
        """Cut the file back to its size at a checkpoint, and mend what is damaged before.

        Args:
            size: in bytes.
            step: of the checkpoint.
            sha256: of the file then; None for a checkpoint of an older version.

        Returns:
            A sentence about lines that are lost or were changed, an empty string if none are.
        """
        read, good = 0, True
        self._hash, self._hashed = hashlib.sha256(), 0
        for text in self._texts(size):
            read += len(text)
            good = good and _is_whole(text, step)
            self._hash.update(text)
        if good and read == size:
            with self._writing() as file:
                file.truncate(size)
            self._hashed = size
            if sha256 in (None, self._hash.hexdigest()):
                return ""
            return (
                f"{self.path} is not as it was at step {step}: some of its figures were changed, "
                "and patience counts from these"
            )
        self._hash = hashlib.sha256()
        kept = [text for text in self._texts(size) if _is_whole(text, step)]
        # What was lost moved later lines here: the test's, which is written again.
        while kept and _decoded(kept[-1])["split"] == "test":
            kept.pop()
        write_file(self.path, b"".join(kept), follow=False, synced=True)
        return (
            f"{self.path} has lost lines from before step {step}: "
            f"{counted(len(kept), 'complete line')} left, and patience counts from there"
        )

    def lines(self, size: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield the lines in the first `size` bytes, without a last one that a kill cut off.

        Raises:
            UserError: the file cannot be read, or a line is not what gtk writes.
        """
        return (line for _, line in self._records(size))

    def whole_lines(self, size: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield the lines in the first `size` bytes, without damaged ones."""
        return (_decoded(text) for text in self._texts(size) if _is_whole(text))

    def overview(self) -> list[dict[str, Any]]:
        """Return all lines; of a file larger than `LARGEST` evenly chosen ones, for curves.

        The last line of each split is always there.

        Raises:
            UserError: as `lines`.
        """
        size = 0
        with suppress(OSError):
            size = self.path.stat().st_size
        seen, kept = Counter[str](), Counter[str]()  # bytes of each split
        chosen, last = dict[int, dict[str, Any]](), dict[str, tuple[int, dict[str, Any]]]()
        for number, (text, line) in enumerate(self._records()):
            split = line["split"]
            last[split] = number, line
            if kept[split] * size <= seen[split] * LARGEST:
                chosen[number] = line
                kept[split] += len(text)
            seen[split] += len(text)
        chosen |= dict(last.values())
        return [chosen[number] for number in sorted(chosen)]

    def _records(self, size: int | None = None) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Yield the lines in the first `size` bytes, as they are and as they are read."""
        for number, text in enumerate(self._texts(size), start=1):
            try:
                yield text, _decoded(text)
            except InvalidValue as error:
                raise UserError(f"line {number} of {self.path} is damaged: {error}") from error

    def _texts(self, size: int | None = None) -> Iterator[bytes]:
        """Yield the lines in the first `size` bytes; of one that is too long, pieces."""
        try:
            with open_ordinary(self.path) as file:
                left = os.fstat(file.fileno()).st_size if size is None else size
                while text := file.readline(LONGEST_LINE + 1):
                    left -= len(text)
                    if left < 0 or (len(text) <= LONGEST_LINE and not text.endswith(b"\n")):
                        return
                    yield text
        except FileNotFoundError:
            return
        except OSError as error:
            raise UserError(f"{self.path} cannot be read: {error.strerror}") from error

    @contextmanager
    def _writing(self) -> Iterator[BinaryIO]:
        """Open the file at its end, and no link; an OSError becomes an error that names it."""
        try:
            with append_to(self.path) as file:
                yield file
        except OSError as error:
            raise unwritable(self.path, error) from error


def _decoded(text: bytes) -> dict[str, Any]:
    """Return a line; InvalidValue if it is not what gtk writes."""
    return cast("dict[str, Any]", decode_json(text, MetricsLine))


def _is_whole(text: bytes, last: int | None = None) -> bool:
    """Return whether a line is what gtk writes, and of no step after the `last`."""
    try:
        line = _decoded(text)
    except InvalidValue:
        return False
    return last is None or line["step"] <= last
