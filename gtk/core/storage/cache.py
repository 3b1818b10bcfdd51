"""Images decoded once: kept on disk as one array, which every later start maps into memory."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock
from numpy.lib import format as npy
from numpy.typing import NDArray
from platformdirs import user_cache_path

from gtk.core.values.dataset import Dataset, DataSpec, Split
from gtk.core.values.errors import UserError
from gtk.core.values.user_path import user_path

#: The environment variable that says where caches live, and the version of what lies there.
CACHE_VARIABLE = "GENERATIVE_TOOLKIT_CACHE"
VERSION = 1


@dataclass(frozen=True)
class Decoded:
    """What a decoder says of the images it has written.

    Attributes:
        spec: what they are.
        train_count: how many of them, from the first on, are for training; the rest are for tests.
        labels: of all, in their order, as `Split` wants them.
        notes: what the user should know, a sentence each.
    """

    spec: DataSpec
    train_count: int
    labels: NDArray[Any]
    notes: tuple[str, ...] = ()


class ImageWriter:
    """Takes decoded images, and never holds more than it was just given.

    Attributes:
        count: how many it has taken.

    Args:
        file: open for writing bytes.
        image_shape: (C, H, W) of every image, None if the first ones are to decide.
    """

    def __init__(self, file: BinaryIO, image_shape: tuple[int, int, int] | None) -> None:
        self.count = 0
        self._file = file
        self._image_shape = image_shape

    def add(self, images: NDArray[np.uint8]) -> None:
        """Append images, (n, C, H, W).

        Raises:
            OSError: the disk is full, or cannot be written.
            ValueError: they are of another shape or type; the decoder's mistake.
        """
        if self._image_shape is None:
            self._image_shape = images.shape[1:]
        if images.shape[1:] != self._image_shape or images.dtype != np.uint8:
            raise ValueError(f"{images.dtype} {images.shape[1:]} is not {self._image_shape}")
        # Not through a mapped file: where the disk is full, that ends the process.
        self._file.write(np.ascontiguousarray(images).data)
        self.count += len(images)


def cache_folder() -> Path:
    """Return where gtk keeps what it can make again: as GENERATIVE_TOOLKIT_CACHE says, or usual."""
    named = os.environ.get(CACHE_VARIABLE)
    return user_path(named) if named else user_cache_path("generative-toolkit")


def fingerprint(root: Path, files: Iterable[Path]) -> str:
    """Return what changes when files do: from their names, sizes, times of change and permissions.

    Their content is not read, so that a start costs no more than a listing. A file that could not
    be read changes by its permissions alone.

    Args:
        root: a folder that all of them are in.
        files: in any order.

    Raises:
        OSError: one of them cannot be looked at.
    """
    digest = hashlib.sha256()
    for file in sorted(files):
        facts = file.stat()
        known = facts.st_size, facts.st_mtime_ns, facts.st_mode
        line = f"{file.relative_to(root)}\0{known}\n"
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def cached_dataset(
    key: Mapping[str, Any],
    content: str,
    image_shape: tuple[int, int, int] | None,
    decode: Callable[[ImageWriter], Decoded],
) -> Dataset:
    """Return a data set from its images in the cache, decoded first where they are not there.

    Of several processes that want the same at once one decodes, and the others wait for it.

    Args:
        key: what names the images: data set, folder, options; as JSON can hold it.
        content: the fingerprint of what is decoded; of another the images are decoded anew.
        image_shape: (C, H, W) of every image; None where that takes looking into all of them, which
            later starts need not do.
        decode: writes the images, those for training first.

    Raises:
        UserError: the cache cannot be written, because the disk is full for instance.
    """
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
    entry = CacheEntry(cache_folder() / "decoded" / name, image_shape)
    with entry.locked():
        dataset = entry.open(content)
        if dataset is None:
            entry.build(content, decode)
            dataset = entry.open(content)
    if dataset is None:
        raise UserError(f"{entry.path} has changed while it was made: try again")
    return dataset


@dataclass(frozen=True)
class CacheEntry:
    """The decoded images of one data set with its options.

    Attributes:
        path: the folder; it appears by rename, whole or not at all.
        image_shape: (C, H, W) of every image, None where only the entry itself knows.
    """

    path: Path
    image_shape: tuple[int, int, int] | None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from this entry; wait for the one that has it.

        Raises:
            UserError: the folder of the cache cannot be written.
        """
        with self._writable():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path.with_suffix(".lock"))
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def open(self, content: str) -> Dataset | None:
        """Map the images into memory; None where there are none, others, or not all of them."""
        try:
            facts = json.loads((self.path / "entry.json").read_text())
            if (facts["version"], facts["content"]) != (VERSION, content):
                return None
            spec, middle = DataSpec.from_json(facts["spec"]), facts["train_count"]
            images = self._map((facts["count"], *(self.image_shape or spec.image_shape)))
            with (self.path / "labels.npy").open("rb") as file:
                labels = npy.read_array(file, allow_pickle=False)
            train, test = (Split(images[part], labels[part]) for part in _parts(middle))
            return Dataset(spec, train, test, tuple(facts["notes"]), content)
        except Exception:  # noqa: BLE001 - json and numpy raise whatever damage makes them raise
            return None  # cut short, or something else: it can be made again

    def build(self, content: str, decode: Callable[[ImageWriter], Decoded]) -> None:
        """Decode, and put the result into the place of whatever is there.

        Raises:
            UserError: the cache cannot be written; whatever `decode` raises.
        """
        for left in self.path.parent.glob(f".{self.path.name}.*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.partial")
        try:
            with self._writable():
                partial.mkdir()
                with (partial / "images.bin").open("wb") as file:
                    writer = ImageWriter(file, self.image_shape)
                    decoded = decode(writer)
                    file.flush()
                    os.fsync(file.fileno())
                np.save(partial / "labels.npy", decoded.labels)
                facts = {
                    "version": VERSION,
                    "content": content,
                    "count": writer.count,
                    "train_count": decoded.train_count,
                    "spec": decoded.spec.as_json(),
                    "notes": list(decoded.notes),
                }
                (partial / "entry.json").write_text(json.dumps(facts))
                if self.path.exists():
                    # Who has mapped the old images keeps them: a file lives as long as its users.
                    self.path.rename(partial.with_suffix(".removed"))
                partial.rename(self.path)
        finally:
            for left in (partial, partial.with_suffix(".removed")):
                shutil.rmtree(left, ignore_errors=True)

    def _map(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return the images, (N, C, H, W), read from disk as they are used.

        Raises:
            OSError: the file is not there.
            ValueError: it is longer or shorter than it should be.
        """
        file = self.path / "images.bin"
        if file.stat().st_size != prod(shape):
            raise ValueError(f"{file} should have {prod(shape)} bytes")
        if not shape[0]:
            return np.zeros(shape, np.uint8)
        # Copy on write, though nobody writes: torch warns of memory that cannot be written.
        return np.memmap(file, np.uint8, mode="c", shape=shape)

    @contextmanager
    def _writable(self) -> Iterator[None]:
        """Say of an error of the file system what it is, where, and how to mend it."""
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise UserError(
                f"decoded images cannot be kept in {self.path.parent}: "
                f"{error.strerror or error}. {'Make room there, or name' if full else 'Name'} "
                f"another folder in the environment variable {CACHE_VARIABLE}"
            ) from error


def _parts(middle: int) -> tuple[slice, slice]:
    """Return what is for training and what for tests."""
    return slice(None, middle), slice(middle, None)
