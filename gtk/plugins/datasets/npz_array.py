"""An array of an .npz file, read in blocks of rows."""

import math
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from gtk.core.values.errors import InvalidValue
from gtk.core.values.text import visible

#: The largest array that is read at once, such as labels.
MOST_BYTES = 2**30
BLOCK_BYTES = 2**24
#: The largest directory of a zip file: for each entry, of about 50 bytes, Python makes an object.
MOST_DIRECTORY = 2**20
#: Sizes of a zip file's end: record and longest comment; 64-bit record, which a locator follows.
END, COMMENT, END_64, LOCATOR_64 = 22, 2**16, 56, 20
#: More than any header that numpy accepts.
HEADER_BYTES = 2**14


@dataclass(frozen=True)
class NpzArray:
    """An array in an open .npz file.

    Attributes:
        archive: the file.
        name: of the array.
        shape: from the array's header.
        dtype: from the array's header; never Python objects, which only pickle can load.
    """

    archive: zipfile.ZipFile
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def block_count(self) -> int:
        """The number of blocks that `blocks` yields."""
        return math.ceil(len(self) / self._block_rows)

    @property
    def _row_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def _block_rows(self) -> int:
        return max(1, BLOCK_BYTES // max(1, self._row_bytes))

    def read(self) -> NDArray[Any]:
        """Return the whole array.

        Raises:
            InvalidValue: the array is damaged, or larger than `MOST_BYTES`.
        """
        if len(self) * self._row_bytes > MOST_BYTES:
            what = f"{self.name} has more than {MOST_BYTES >> 20} MiB: save a smaller array"
            raise wrong(self.archive, what)
        return np.concatenate([np.zeros((0, *self.shape[1:]), self.dtype), *self.blocks()])

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the array in blocks of whole rows, of about `BLOCK_BYTES`.

        Raises:
            InvalidValue: the array is damaged.
        """
        row, rows = self._row_bytes, self._block_rows
        with _opened(self.archive, self.name) as stream:
            _header(stream)
            for start in range(0, len(self), rows):
                count = min(rows, len(self) - start)
                content = stream.read(count * row)
                if len(content) != count * row:
                    raise EOFError("it ends too early")
                yield np.frombuffer(content, self.dtype).reshape(count, *self.shape[1:])


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an .npz file.

    Raises:
        InvalidValue: the path does not exist, or does not lead to an .npz file.
    """
    try:
        exists = path.exists()
        crowded = path.is_file() and _directory_bytes(path) > MOST_DIRECTORY
        archive = zipfile.ZipFile(path) if path.is_file() and not crowded else None
    except OSError as error:
        raise InvalidValue(f"{visible(path)} cannot be read: {error.strerror}") from error
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InvalidValue(
            f"{visible(path)} is not an .npz file, or is damaged: write it with numpy.savez"
        ) from error
    if crowded:
        raise InvalidValue(f"{visible(path)} has too many entries: save a few arrays")
    if archive is None:
        what = "is not a file" if exists else "does not exist"
        raise InvalidValue(f"{visible(path)} {what}: give an .npz file")
    with archive:
        yield archive


def _directory_bytes(path: Path) -> int:
    """Return the size of a zip file's directory, as its end claims it (APPNOTE 4.3.14, 4.3.16)."""
    with path.open("rb") as file:
        start = file.seek(0, os.SEEK_END) - END - COMMENT - END_64 - LOCATOR_64
        file.seek(max(0, start))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if tail[max(0, end - LOCATOR_64) : end].startswith(b"PK\x06\x07"):
        place = end - LOCATOR_64 - END_64 + 40
        return int.from_bytes(tail[max(0, place) : place + 8], "little")
    return int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0


def find_array(archive: zipfile.ZipFile, name: str) -> NpzArray | None:
    """Return an array by its name, None if the file lacks it.

    Raises:
        InvalidValue: it is damaged, has Python objects, or differs in size from its header.
    """
    try:
        size = archive.getinfo(f"{name}.npy").file_size
    except KeyError:
        return None
    with _opened(archive, name) as stream:
        shape, in_columns, dtype = _header(stream)
        start = stream.tell()
    if dtype.hasobject:
        raise wrong(
            archive, f"{name} has Python objects, which gtk does not load: save plain numbers"
        )
    # The product alone does not bound a side: another side may be 0, or a value may have 0 bytes.
    sides_fit = all(0 <= side <= size for side in shape)
    if not sides_fit or start + math.prod(shape) * dtype.itemsize != size:
        raise wrong(
            archive, f"{name} has another size than its header claims, {shape}: save it again"
        )
    if not shape:
        raise wrong(archive, f"{name} is a single value: save an array")
    if in_columns and len(shape) > 1:
        raise wrong(
            archive, f"{name} is stored in column order: save numpy.ascontiguousarray({name})"
        )
    return NpzArray(archive, name, shape, dtype)


def wrong(archive: zipfile.ZipFile, what: str) -> InvalidValue:
    """Return the error for a file with a mistake."""
    return InvalidValue(f"{visible(archive.filename)}: {what}")


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read an array's shape, whether it is stored in column order, and its type."""
    # A header may claim 4 GiB, which compress to a few bytes: it is read with a limit.
    start = BytesIO(stream.read(HEADER_BYTES))
    version = npy.read_magic(start)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    header = read(start)
    stream.seek(start.tell())
    return header


@contextmanager
def _opened(archive: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
    """Open an array's file; errors of zipfile, zlib and numpy become an `InvalidValue`."""
    try:
        with archive.open(f"{name}.npy") as stream:
            yield stream
    except InvalidValue:
        raise
    except Exception as error:  # damaged files make these raise errors of many types
        reason = visible(" ".join(str(error).split()))[:200]
        raise wrong(archive, f"{name} is damaged ({reason or type(error).__name__})") from error
