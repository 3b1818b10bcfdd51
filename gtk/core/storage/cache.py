"""The cache of decoded images: one array on disk, which later starts map into memory."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, TypedDict

import numpy as np
from filelock import FileLock
from numpy.lib import format as npy
from numpy.typing import NDArray
from platformdirs import user_cache_path

from gtk.core.settings.json_file import read_document
from gtk.core.settings.run_file import Count, DataSpecTable
from gtk.core.values.dataset import Dataset, DataSpec, Split
from gtk.core.values.errors import UserError
from gtk.core.values.output import failure, sync
from gtk.core.values.user_path import user_path

#: The environment variable for the folder of caches, and the version of their format and of what
#: data sets read: other entries are decoded again.
CACHE_VARIABLE = "GENERATIVE_TOOLKIT_CACHE"
VERSION = 2
#: The largest entry.json in bytes; notes and names of classes take most of one.
LARGEST_ENTRY = 64 * 2**20


class EntryFile(TypedDict):
    """entry.json of the cache: what the arrays beside it hold."""

    version: int
    content: str
    count: Count
    train_count: Count
    spec: DataSpecTable
    notes: list[str]


@dataclass(frozen=True)
class Decoded:
    """What a decoder returns about the images that it has written.

    Attributes:
        spec: their description.
        train_count: how many of them, from the first on, are for training; the rest are for tests.
        labels: of all images, in their order, as in `Split`.
        notes: sentences for the user.
    """

    spec: DataSpec
    train_count: int
    labels: NDArray[Any]
    notes: tuple[str, ...] = ()


class ImageWriter:
    """Writes decoded images to a binary file, and counts them.

    Without an `image_shape` (C, H, W) the first images decide it.
    """

    def __init__(self, file: BinaryIO, image_shape: tuple[int, int, int] | None) -> None:
        self.count = 0
        self._file = file
        self._image_shape = image_shape

    def add(self, images: NDArray[np.uint8]) -> None:
        """Append images, (n, C, H, W).

        Raises:
            OSError: the disk is full, or cannot be written.
            ValueError: they have another shape or type, by a mistake of the decoder.
        """
        if self._image_shape is None:
            self._image_shape = images.shape[1:]
        if images.shape[1:] != self._image_shape or images.dtype != np.uint8:
            raise ValueError(f"{images.dtype} {images.shape[1:]} is not {self._image_shape}")
        # Through a memory-mapped file a full disk would kill the process.
        self._file.write(np.ascontiguousarray(images).data)
        self.count += len(images)


def cache_folder() -> Path:
    """Return the folder of caches: GENERATIVE_TOOLKIT_CACHE, else the platform's.

    Raises:
        UserError: the platform's is in a home that nothing names, as in a container without HOME.
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return user_path(named)
    with suppress(RuntimeError):  # some versions of platformdirs raise it, others return ~/...
        folder = user_cache_path("generative-toolkit")
        if folder.is_absolute():
            return folder
    # Not a folder of a fixed name in /tmp, where another user could make it first.
    raise UserError(
        "there is no home directory to keep decoded images and downloads in: set HOME, or name a "
        f"folder in the environment variable {CACHE_VARIABLE}"
    )


def fingerprint(root: Path, files: Iterable[Path]) -> str:
    """Return a hash of the names, sizes, times and permissions of files in the folder `root`.

    Their content is not read, so that a start costs no more than a listing. The permissions count
    because a file that could not be read may become readable without any other change.

    Raises:
        OSError: one of them cannot be looked at.
    """
    digest = hashlib.sha256()
    for file in sorted(files):
        status = file.stat()
        known = status.st_size, status.st_mtime_ns, status.st_mode
        line = f"{file.relative_to(root)}\0{known}\n"
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def cached_dataset(
    key: Mapping[str, Any],
    content: str,
    image_shape: tuple[int, int, int] | None,
    decode: Callable[[ImageWriter], Decoded],
) -> Dataset:
    """Return a data set from the cache; decode its images first if they are not there.

    Of several processes that ask at once one decodes, and the others wait.

    Args:
        key: identifies the images: data set, folder, options; as JSON can hold it.
        content: the fingerprint of the files; if it has changed, the images are decoded again.
        image_shape: (C, H, W) of every image; None where only decoding all of them can tell.
        decode: writes the images, those for training first.

    Raises:
        UserError: the cache cannot be written.
        WorkFailed: the disk is full or fails.
    """
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
    entry = CacheEntry(cache_folder() / "decoded" / name, image_shape)
    with entry.locked():
        dataset = entry.open(content)
        if dataset is None:
            entry.build(content, decode)
            dataset = entry.open(content)
    if dataset is None:
        raise UserError(f"{entry.path} was changed by another program. Try again.")
    return dataset


@dataclass(frozen=True)
class CacheEntry:
    """The decoded images of one data set with its options.

    Attributes:
        path: the folder; it appears by rename, whole or not at all.
        image_shape: (C, H, W) of every image, None to take it from the entry.
    """

    path: Path
    image_shape: tuple[int, int, int] | None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from this entry; wait for one that uses it.

        Raises:
            UserError: the folder of the cache cannot be written.
        """
        with self._writable():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path.with_suffix(".lock")).acquire()
        with lock:
            yield

    def open(self, content: str) -> Dataset | None:
        """Map the images into memory; None if there are none, or others, or not all of them."""
        try:
            entry = read_document(self.path / "entry.json", EntryFile, LARGEST_ENTRY)
            if (entry["version"], entry["content"]) != (VERSION, content):
                return None
            spec, count = DataSpec.from_json(entry["spec"]), entry["train_count"]
            if count > entry["count"]:
                return None
            images = self._map((entry["count"], *(self.image_shape or spec.image_shape)))
            with (self.path / "labels.npy").open("rb") as file:
                labels = npy.read_array(file, allow_pickle=False)
            train = Split(images[:count], labels[:count])
            test = Split(images[count:], labels[count:])
            return Dataset(spec, train, test, tuple(entry["notes"]), content)
        except Exception:  # noqa: BLE001 - json and numpy raise many types on a damaged file
            return None  # it can be made again

    def build(self, content: str, decode: Callable[[ImageWriter], Decoded]) -> None:
        """Decode the images, and replace the entry.

        Raises:
            UserError: the cache cannot be written.
            WorkFailed: the disk is full or fails.
        """
        for left_over in self.path.parent.glob(f".{self.path.name}.*"):  # of a killed process
            shutil.rmtree(left_over, ignore_errors=True)
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.partial")
        try:
            with self._writable():
                partial.mkdir()
                with (partial / "images.bin").open("wb") as file:
                    writer = ImageWriter(file, self.image_shape)
                    decoded = decode(writer)
                    file.flush()
                    os.fsync(file.fileno())
                labels = BytesIO()  # np.save to a file hides the reason why a disk refuses it
                np.save(labels, decoded.labels)
                entry = {
                    "version": VERSION,
                    "content": content,
                    "count": writer.count,
                    "train_count": decoded.train_count,
                    "spec": decoded.spec.as_json(),
                    "notes": list(decoded.notes),
                }
                (partial / "labels.npy").write_bytes(labels.getvalue())
                (partial / "entry.json").write_bytes(json.dumps(entry).encode())
                for path in (partial / "labels.npy", partial / "entry.json", partial):
                    sync(path)
                if self.path.exists():
                    # Processes that have mapped the old images keep them: the file lives on.
                    self.path.rename(partial.with_suffix(".removed"))
                partial.rename(self.path)
                sync(self.path.parent)
        finally:
            for left_over in (partial, partial.with_suffix(".removed")):
                shutil.rmtree(left_over, ignore_errors=True)

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
        # Copy on write, since torch warns about memory that is read-only.
        return np.memmap(file, np.uint8, mode="c", shape=shape)

    @contextmanager
    def _writable(self) -> Iterator[None]:
        """Turn an OSError into an error that says where, and what to do."""
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise failure(
                f"decoded images cannot be kept in {self.path.parent}: "
                f"{error.strerror or error}. {'Make room there, or name' if full else 'Name'} "
                f"another folder in the environment variable {CACHE_VARIABLE}.",
                error,
            ) from error
