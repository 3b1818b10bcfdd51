"""Published data sets: found or downloaded, unpacked, and decoded once through torchvision."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.storage.cache import Decoded, ImageWriter, cache_folder, cached_dataset, fingerprint
from gtk.core.values.dataset import NO_CONDITION, Dataset, DataSpec, Split
from gtk.core.values.errors import GtkError, InvalidValue, WorkFailed
from gtk.core.values.setting import setting
from gtk.plugins.datasets.unpacking import (
    Archive,
    NotReadable,
    find_source,
    link,
    plain_files,
    writable,
)

#: Images that the cache writes at once.
CHUNK = 4096


@dataclass(frozen=True, kw_only=True)
class Published:
    """The files of a published data set, and how to download them.

    Attributes:
        name: the data set's name.
        title: for messages.
        place: the content of a data root, for messages.
        files: paths below the data root, where torchvision looks for them.
        archive: the published file that contains all of `files`, if there is one.
        images: folder, or archive that is not unpacked, of single images; the first that exists is
            used. Empty if the images are in `files`.
        download: downloads the files into a folder.
    """

    name: str
    title: str
    place: str
    files: tuple[str, ...]
    archive: Archive | None = None
    images: tuple[str, ...] = ()
    download: Callable[[Path], object]

    def sources(self, root: Path) -> list[Path]:
        """Return the files and the images' folder or archive; `NotReadable` if one is missing."""
        found = dict.fromkeys(find_source(root, file, self.archive) for file in self.files)
        return [*found, *([self.image_source(root)] if self.images else [])]

    def image_source(self, root: Path) -> Path:
        """Return the folder or archive of images; `NotReadable` if both are missing."""
        for place in self.images:
            if (root / place).exists():
                return root / place
        raise NotReadable(f"{' and '.join(self.images)} are missing")


def load_splits(
    published: Published,
    root: Path | None,
    image_shape: tuple[int, int, int],
    read: Callable[[Path], tuple[DataSpec, Iterable[Split]]],
    options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Return a data set whose splits are read as whole arrays.

    Args:
        published: its files.
        root: the folder of the files, which is only read; None downloads them into the cache
            folder, unless they are there.
        image_shape: (channels, height, width) of the images.
        read: maps a folder in the layout of a data root, with all files unpacked, to the
            description and the splits, training first; an iterator saves memory. It imports
            torchvision.
        options: settings that change the images.

    Raises:
        InvalidValue: the folder lacks the files, or they are damaged.
        WorkFailed: the download failed.
        UserError: the cache cannot be written.
    """

    def decode(folder: Path, writer: ImageWriter) -> Decoded:
        spec, splits = read(folder)
        counts, labels = [], []
        for split in splits:
            _check(split, spec)
            for start in range(0, len(split), CHUNK):
                add_images(writer, split.images[start : start + CHUNK])
            counts.append(len(split))
            labels.append(split.labels)
        return Decoded(spec, counts[0], np.concatenate(labels))

    return load_published(published, root, image_shape, decode, options)


def load_published(
    published: Published,
    root: Path | None,
    image_shape: tuple[int, int, int],
    decode: Callable[[Path, ImageWriter], Decoded],
    options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Return a data set, from the cache if the same files were decoded before.

    `decode` writes the images, training images first; the rest is as in `load_splits`.
    """
    folder = _downloaded(published) if root is None else root.absolute()
    with _readable(published, folder):
        content = fingerprint(folder, published.sources(folder))
    key = {"data": published.name, "root": str(folder.resolve()), "options": {**(options or {})}}

    def decode_plain(writer: ImageWriter) -> Decoded:
        # The cache locks each key, so no other process uses this folder.
        stage = cache_folder() / "unpacked" / sha256(repr(key).encode()).hexdigest()[:16]
        with (
            _readable(published, folder, stage),
            plain_files(folder, published.files, published.archive, stage) as plain,
        ):
            if published.images:
                source = published.image_source(folder)
                link(source, plain / source.relative_to(folder))
            return decode(plain, writer)

    return cached_dataset(key, content, image_shape, decode_plain)


def torchvision_reader(name: str) -> Any:  # noqa: ANN401 - torchvision publishes no types
    """Return torchvision's data set class of this name."""
    from torchvision import datasets

    return getattr(datasets, name)


def train_and_test(reader: str, folder: Path, **options: str) -> Iterator[Any]:
    """Yield torchvision's training data set, then its test data set."""
    for train in (True, False):
        yield torchvision_reader(reader)(folder, train=train, **options)


def add_images(writer: ImageWriter, images: NDArray[np.uint8]) -> None:
    """Write images to the cache; errors of writing do not count as damaged files."""
    with writable(cache_folder()):
        writer.add(images)


def _check(split: Split, spec: DataSpec) -> None:
    """Refuse images and labels that do not fit the data set."""
    if not len(split) or split.images.shape[1:] != spec.image_shape:
        raise NotReadable(
            f"the images have shape {split.images.shape} instead of (N, *{spec.image_shape})"
        )
    try:
        (spec.condition or NO_CONDITION).check(split.labels, len(split), "its labels")
    except InvalidValue as error:
        raise NotReadable(str(error)) from error


def _downloaded(published: Published) -> Path:
    """Return the cache's data root, after downloading missing files."""
    from filelock import FileLock

    folder = cache_folder() / "data"
    try:
        with writable(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{published.name}.lock"):
            try:
                published.sources(folder)
            except NotReadable:
                _download(published, folder)
    except GtkError:
        raise
    except Exception as error:  # torchvision passes on errors of urllib of many types
        raise WorkFailed(
            f"{published.title} could not be downloaded: give a folder with {published.place} as "
            f"{setting('data_root', example='FOLDER')}, or try again ({_reason(error)})"
        ) from error
    return folder


def _download(published: Published, folder: Path) -> None:
    """Download into a temporary folder, and move the files once all are complete."""
    partial = folder / f".{published.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        published.download(partial)
        published.sources(partial)
        for path in partial.iterdir():
            target = folder / path.name
            if target.is_dir():  # incomplete, or it would not have been downloaded again
                shutil.rmtree(target)
            path.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _readable(published: Published, folder: Path, stage: Path | None = None) -> Iterator[None]:
    """Turn errors of reading into `InvalidValue`."""
    try:
        yield
    except GtkError:
        raise
    except Exception as error:  # torchvision's readers raise errors of many types
        reason = _reason(error)
        if stage is not None:
            reason = reason.replace(str(stage), str(folder))
        raise InvalidValue(
            f"{folder} lacks a readable {published.place}: give the folder with "
            f"{published.place} as {setting('data_root')}, or leave it out to download ({reason})"
        ) from error


def _reason(error: Exception) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    # torchvision's advice for programmers.
    return reason.removesuffix(". You can use download=True to download it")
