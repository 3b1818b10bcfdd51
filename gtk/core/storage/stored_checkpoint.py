"""One checkpoint on the disk: its files, and the digests that say whether they are whole."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta
from torch import Tensor

from gtk.core.settings.json_file import as_json, decode_json
from gtk.core.storage.tensor_file import decode_tensors
from gtk.core.values.errors import InvalidValue, UserError
from gtk.core.values.ordinary_file import read_ordinary
from gtk.core.values.output import sync

#: The files of a checkpoint, and the file that says when these are whole, which is written last.
MODEL, TRAINING, STATE = "model.safetensors", "training.safetensors", "state.json"
FILES = (MODEL, TRAINING, STATE)
DIGESTS = "digests.json"
#: The file of each average of the weights but the first, which is in MODEL.
AVERAGE = re.compile(r"average-([0-9]+(?:\.[0-9]+)?(?:e-[0-9]+)?)\.safetensors")
#: The largest size of a JSON file here, in bytes.
JSON_LIMIT = 1 << 20

#: The version of state.json: from 2 on the files of a checkpoint have digests.
STATE_FORMAT = 2

Count = Annotated[int, Meta(ge=0)]
#: What changes when a file does: its number, time and size.
Mark = tuple[int, int, int]


class PendingState(TypedDict, total=False):
    """The entry "pending" of state.json, as `PendingTerms.as_json` returns it."""

    steps: Count
    terms: list[str]


class State(TypedDict):
    """The content of a state.json, as `Checkpoint.state` describes it."""

    format: Annotated[int, Meta(ge=1, le=STATE_FORMAT)]
    step: Count
    metrics_bytes: Count
    metrics_sha256: NotRequired[str]
    validation: float | None
    pending: PendingState


class Digest(TypedDict):
    """What digests.json says of one file: its size in bytes, and its SHA-256 in hexadecimal."""

    size: Count
    sha256: str


class Damage(Exception):
    """A file of a checkpoint is missing, damaged or not readable; the message says which."""


class StoredCheckpoint:
    """The checkpoint of a step, in a folder that may be damaged or not there.

    A file is read into memory as a whole, so that what was compared with its digest is what is
    used; decoding it takes twice its size for a moment. It is compared once, unless it has changed
    since. Of a checkpoint that an older version wrote without digests, as its state.json says, only
    the formats are checked.

    Every method raises UserError for a file that the user may not read.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.folder = folder
        self.step = step
        self._verified: dict[str, Mark] = {}
        self._kept: dict[str, dict[str, Tensor]] = {}

    def complete(self) -> bool:
        """Whether all files are there, in the sizes that the digests say; reads none of them."""
        try:
            digests = self._digests()
            names = [*FILES, *map(average_file, self._averages(digests))]
            sizes = {name: (self.folder / name).lstat().st_size for name in names}
        except (Damage, OSError):
            return False
        return digests is None or sizes == {name: item["size"] for name, item in digests.items()}

    def averages(self) -> list[str]:
        """Return the decays of the averages that have a file of their own.

        Raises:
            Damage: digests.json, which lists them, is damaged.
        """
        return self._averages(self._digests())

    @staticmethod
    def _averages(digests: dict[str, Digest] | None) -> list[str]:
        return [found[1] for found in map(AVERAGE.fullmatch, digests or ()) if found]

    def state(self) -> State:
        """Read state.json.

        Raises:
            Damage: it is damaged.
        """
        file = self.folder / STATE
        try:
            state = decode_json(self._content(STATE, JSON_LIMIT), State)
        except InvalidValue as error:
            raise Damage(f"{file} is damaged") from error
        if state["step"] != self.step:
            raise Damage(f"{file} is that of step {state['step']}")
        return state

    def check(self, *names: str) -> None:
        """Read state.json and files of tensors, which are kept for the next call of `tensors`.

        With what resuming needs come the averages.

        Raises:
            Damage: one of them is damaged.
        """
        self.state()
        averages = map(average_file, self.averages()) if TRAINING in names else ()
        for name in (*names, *averages):
            self._kept[name] = self.tensors(name)

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Read a file of tensors.

        Raises:
            Damage: it is damaged.
        """
        kept = self._kept.pop(name, None)
        if kept is not None and _mark(self.folder / name) == self._verified.get(name):
            return kept
        try:
            return decode_tensors(self._content(name))
        except InvalidValue as error:
            raise Damage(f"{self.folder / name} is damaged") from error

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of a file in hexadecimal.

        Raises:
            Damage: it is damaged.
        """
        return _digest(self._content(name))["sha256"]

    def _content(self, name: str, limit: int | None = None) -> bytes:
        """Return a file's content, compared with its digest."""
        file = self.folder / name
        mark = _mark(file)
        digests = None if self._verified.get(name) == mark else self._digests()
        # The size comes first: a damaged file may be larger than memory.
        size = mark[-1] if digests is None or name not in digests else digests[name]["size"]
        if size != mark[-1] and file.is_file():
            raise Damage(f"{file} is damaged")
        content = _read(file, mark[-1] if limit is None else limit)
        if digests is not None and digests.get(name) != _digest(content):
            raise Damage(f"{file} is damaged")
        self._verified[name] = mark
        return content

    def _digests(self) -> dict[str, Digest] | None:
        """Return what digests.json says, None if there is none."""
        file = self.folder / DIGESTS
        try:
            return decode_json(_read(file, JSON_LIMIT), dict[str, Digest])
        except InvalidValue as error:
            raise Damage(f"{file} is damaged") from error
        except Damage as damage:
            if isinstance(damage.__cause__, FileNotFoundError) and self._is_of_before_digests():
                return None
            raise

    def _is_of_before_digests(self) -> bool:
        """Return whether state.json says that an older version wrote this checkpoint."""
        file = self.folder / STATE
        try:
            return decode_json(_read(file, JSON_LIMIT), State)["format"] < STATE_FORMAT
        except InvalidValue as error:
            raise Damage(f"{file} is damaged") from error


def average_file(decay: object) -> str:
    """Return the name of the file of an average."""
    return f"average-{decay}.safetensors"


def write_stored(folder: Path, contents: Iterable[tuple[str, bytes]]) -> None:
    """Write files into a folder, then their digests, all of it to the disk.

    Raises:
        OSError: the disk is full or fails.
    """
    digests = {}
    for name, content in contents:
        _write(folder / name, content)
        digests[name] = _digest(content)
    _write(folder / DIGESTS, as_json(digests))
    sync(folder)


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    sync(file)


def _mark(file: Path) -> Mark:
    """Return the mark of a file; it raises what `_read` does."""
    with _damage_named(file):
        status = file.lstat()
    return status.st_ino, status.st_mtime_ns, status.st_size


def _read(file: Path, limit: int) -> bytes:
    """Return a file's content.

    Raises:
        Damage: it is missing, not an ordinary file, larger than `limit`, or the disk fails.
        UserError: the user may not read it.
    """
    with _damage_named(file):
        return read_ordinary(file, limit)


@contextmanager
def _damage_named(file: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise Damage(f"{file} is missing") from error
    except PermissionError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error
    except OSError as error:
        raise Damage(f"{file} cannot be read: {error.strerror}") from error


def _digest(content: bytes) -> Digest:
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
