"""Unpacking a data root's files into a folder; the root itself is only read."""

import gzip
import shutil
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from gtk.core.storage.cache import CACHE_VARIABLE
from gtk.core.values.errors import GtkError
from gtk.core.values.output import failure

#: Published files have up to 600 MB: a file that unpacks to more than this is broken or a bomb.
MOST_BYTES = 2**30
CHUNK_BYTES = 2**20


class NotReadable(Exception):
    """A file is missing, damaged or too large; the message has its path below the data root."""


@dataclass(frozen=True)
class Archive:
    """An archive of all files of a data set.

    Attributes:
        path: below the data root; ends in .zip or .tar.gz.
        member: the name of a file in the archive: "{path}" stands for its path below the data
            root, "{name}" for the last part of that.
    """

    path: str
    member: str = "{path}"

    def member_of(self, file: str) -> str:
        """Return the name of `file` in the archive."""
        return self.member.format(path=file, name=file.rpartition("/")[2])


class LimitedStream:
    """A stream that raises an error after `MOST_BYTES`."""

    def __init__(self, stream: Any) -> None:  # noqa: ANN401 - gzip's and zipfile's have no common type
        self._stream, self._left = stream, MOST_BYTES

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, none at the end."""
        content: bytes = self._stream.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise NotReadable(f"it unpacks to more than {MOST_BYTES:,} bytes")
        return content


def find_source(root: Path, file: str, archive: Archive | None) -> Path:
    """Return the file, its FILE.gz or the archive; `NotReadable` if all are missing."""
    for place in (file, f"{file}.gz", *([] if archive is None else [archive.path])):
        if (root / place).is_file():
            return root / place
    raise NotReadable(f"{file} is missing")


@contextmanager
def plain_files(
    root: Path, files: Sequence[str], archive: Archive | None, stage: Path
) -> Iterator[Path]:
    """Provide every file in `stage`, under its path below `root`, and remove `stage` afterwards.

    Plain files of the root are linked; the others are unpacked. Members of archives are found by
    name and written to a path of ours, so that a malicious name cannot lead elsewhere. `stage` is a
    folder that no other process uses; it is emptied first, since a killed process may have left
    files in it.

    Raises:
        NotReadable: a file is missing, damaged or too large.
        UserError: `stage` cannot be written.
        WorkFailed: the disk is full or fails.
    """
    shutil.rmtree(stage, ignore_errors=True)
    try:
        packed = {}
        for file in files:
            source, target = find_source(root, file, archive), stage / file
            with writable(stage):
                target.parent.mkdir(parents=True, exist_ok=True)
            if archive is not None and source == root / archive.path:
                packed[archive.member_of(file)] = target
            elif source.suffix == ".gz" and not file.endswith(".gz"):
                with _damage_named(f"{file}.gz"), gzip.open(source) as stream:
                    _copy(stream, target, stage)
            else:
                link(source, target)
        if packed and archive is not None:
            unpack = _unpack_zip if archive.path.endswith(".zip") else _unpack_tar
            with _damage_named(archive.path):
                unpack(root / archive.path, packed, stage)
            for member, target in packed.items():
                if not target.exists():
                    raise NotReadable(f"{archive.path} lacks {member}")
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def link(source: Path, target: Path) -> None:
    """Make `target` a link to `source`."""
    with writable(target.parent):
        target.symlink_to(source.resolve())


def _unpack_zip(path: Path, wanted: dict[str, Path], stage: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for member in wanted.keys() & set(archive.namelist()):
            with archive.open(member) as packed:
                stream = gzip.GzipFile(fileobj=packed) if member.endswith(".gz") else packed
                _copy(stream, wanted[member], stage)


def _unpack_tar(path: Path, wanted: dict[str, Path], stage: Path) -> None:
    # Read as a limited stream: a tar's headers, too, may claim any size.
    with (
        gzip.open(path) as packed,
        tarfile.open(fileobj=cast("IO[bytes]", LimitedStream(packed)), mode="r|") as archive,
    ):
        for member in archive:
            stream = archive.extractfile(member) if member.isreg() else None  # follow no links
            if stream is not None and member.name in wanted:
                _copy(stream, wanted[member.name], stage)


def _copy(stream: Any, target: Path, stage: Path) -> None:  # noqa: ANN401 - as above
    limited = LimitedStream(stream)
    with writable(stage):
        output = target.open("wb")
    with output:
        while content := limited.read(CHUNK_BYTES):
            with writable(stage):
                output.write(content)
        with writable(stage):
            output.flush()


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Turn an OSError of writing, such as a full disk, into an error that names the cache."""
    try:
        yield
    except OSError as error:
        raise failure(
            f"{folder} cannot be written: {error.strerror or error}. Free some space, or set "
            f"another folder in the environment variable {CACHE_VARIABLE}",
            error,
        ) from error


@contextmanager
def _damage_named(file: str) -> Iterator[None]:
    """Turn any error of a library into a `NotReadable` that names the file."""
    try:
        yield
    except GtkError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise NotReadable(f"{file}: {reason}") from error
