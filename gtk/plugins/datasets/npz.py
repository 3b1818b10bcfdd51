"""The data set 'npz': a user's own arrays of images and labels in an .npz file."""

import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from gtk.core.registry.spec import NoConfig
from gtk.core.storage.cache import Decoded, ImageWriter, cached_dataset, fingerprint
from gtk.core.values.condition import Classes, ConditionSpec
from gtk.core.values.dataset import Dataset, DataSpec
from gtk.core.values.setting import setting
from gtk.core.values.text import visible
from gtk.core.values.tracking import track
from gtk.plugins.datasets import LONGEST_SIDE, NpzConfig
from gtk.plugins.datasets.array_labels import read_labels
from gtk.plugins.datasets.levels import beyond_note, in_range
from gtk.plugins.datasets.npz_array import NpzArray, find_array, open_archive, wrong
from gtk.plugins.datasets.page import DARK
from gtk.plugins.datasets.remedy import listed, spelled, with_remedy
from gtk.plugins.datasets.splitting import choose_tested

CHANNELS = (1, 3)
#: The arrays that are read.
ARRAYS = ("images", "labels", "names", "test_images", "test_labels")


def load(config: NpzConfig | NoConfig, root: Path) -> Dataset:
    """Return the images of an .npz file, read once and then mapped from the cache.

    docs/data.md lists its arrays. Pickled objects are refused. Images are read in blocks, so the
    file may be larger than memory.

    Raises:
        InvalidValue: the file or an array in it is wrong.
        UserError: the cache cannot be written.
    """
    with open_archive(root) as archive:
        dataset = cached_dataset(
            {"data": "npz", "root": str(root.resolve()), **asdict(config)},
            fingerprint(root.parent, [root]),
            None,
            partial(_decode_archive, archive, root, getattr(config, "range", ())),
        )
    return replace(dataset, notes=tuple(map(spelled, dataset.notes)))


def _decode_archive(
    archive: ZipFile, root: Path, limits: tuple[float, ...], writer: ImageWriter
) -> Decoded:
    """Write all images, training images first."""
    images = _images(archive, "images", limits)
    if images is None:
        unread = _unread(archive)
        there = f", the file has {listed(unread)}" if unread else ""
        what = f"the array 'images' is missing{there}: save uint8 (N, H, W) or (N, H, W, C)"
        raise wrong(archive, what)
    held_out = _images(archive, "test_images", limits)
    counts = [len(images), 0 if held_out is None else len(held_out)]
    condition, labels, notes = read_labels(archive, counts[0], counts[1])
    if held_out is None:
        classes = labels if isinstance(condition, Classes) else np.zeros(counts[0])
        tested = choose_tested([str(row) for row in range(counts[0])], classes.tolist())
    else:
        if _shape(held_out) != _shape(images):
            raise wrong(archive, "images and test_images differ in shape: save both alike")
        if held_out.dtype != images.dtype:
            both = f"images is {images.dtype}, test_images is {held_out.dtype}"
            raise wrong(archive, f"{both}: save both alike")
        tested = np.repeat([False, True], counts)
    if tested.all() or not tested.any():
        what = "testing" if tested.all() else "training"
        raise wrong(
            archive, f"all images would be for {what}: give two or more of at least one class"
        )
    arrays = [images] if held_out is None else [images, held_out]
    levels = Levels(limits)
    _write(writer, images, ~tested[: counts[0]], levels)
    _write(writer, arrays[-1], tested[-len(arrays[-1]) :], levels)
    spec = DataSpec(visible(root.resolve().stem) or "npz", *_shape(images), condition)
    order = np.argsort(tested, kind="stable")
    lacking = _without_training_images(condition, labels[~tested])
    notes = (*_passed_over(archive), *notes, *lacking, *_doubts(images), *levels.notes())
    return Decoded(spec, int((~tested).sum()), labels[order], notes)


def _images(archive: ZipFile, name: str, limits: tuple[float, ...]) -> NpzArray | None:
    """Return an array of images, None if the file lacks it; refuse other types and shapes."""
    array = find_array(archive, name)
    if array is None:
        return None
    if array.dtype != np.uint8 and not (limits and array.dtype.kind in "biuf"):
        example = "(images * 255).round().astype('uint8') if they are in 0..1"
        remedy = f", or give the values of black and white with {setting('range', example='0,1')}"
        if array.dtype.kind not in "biuf":
            remedy = ""
        raise wrong(
            archive,
            f"{name} is {array.dtype} instead of uint8: save levels 0..255, {example}{remedy}",
        )
    if len(array.shape) not in (3, 4) or _shape(array)[0] not in CHANNELS:
        raise wrong(
            archive,
            f"{name} has shape {array.shape}: save (N, H, W), (N, H, W, C) or (N, C, H, W), where "
            "C is 1 or 3",
        )
    sides = _shape(array)[1:]
    if not len(array):
        raise wrong(archive, f"{name} is empty: save at least one image")
    if not all(1 <= side <= LONGEST_SIDE for side in sides):
        raise wrong(
            archive, f"{name} has images of {sides[1]}x{sides[0]}: use sides of 1..{LONGEST_SIDE}"
        )
    return array


def _shape(array: NpzArray) -> tuple[int, int, int]:
    """Return (C, H, W); if both layouts fit, the last axis holds the channels."""
    first, second, *last = array.shape[1:]
    if not last:
        return 1, first, second
    return (last[0], first, second) if last[0] in CHANNELS else (first, second, last[0])


def _unread(archive: ZipFile) -> list[str]:
    """Return the names of what the file holds besides the arrays that are read."""
    names = (name.removesuffix(".npy") for name in archive.namelist())
    return [visible(name) for name in names if name not in ARRAYS]


def _passed_over(archive: ZipFile) -> Iterator[str]:
    """Yield a note on what is not read, which may be labels or test images of another name."""
    if unread := _unread(archive):
        yield f"not read: {listed(unread)}; the arrays that are read are {', '.join(ARRAYS)}"


def _without_training_images(
    condition: ConditionSpec | None, labels: NDArray[Any]
) -> Iterator[str]:
    """Yield a note on classes that a model cannot learn."""
    if isinstance(condition, Classes):
        present = {*labels.tolist()}
        lacking = [name for at, name in enumerate(condition.names) if at not in present]
        if lacking:
            yield f"there are no training images of {listed(lacking)}"


def _doubts(images: NpzArray) -> Iterator[str]:
    """Yield a note where the array's shape may mean something else."""
    shape, last = images.shape, images.shape[-1]
    if len(shape) == 3 and last in CHANNELS and min(shape[:2]) > max(CHANNELS):
        yield (
            f"images has shape {shape} and was taken for {len(images)} grey images of "
            f"{last}x{shape[1]} pixels: if it is one image, save images[None]"
        )
    if len(shape) == 4 and shape[1] in CHANNELS and last in CHANNELS:
        yield (
            f"images has shape {shape}, whose last axis was taken for the channels: if it is the "
            "second, save images.transpose(0, 2, 3, 1)"
        )


class Levels:
    """Stored values made into levels 0..255, and what the user should know about them.

    Args:
        limits: the values that become black and white; empty for uint8, whose levels are kept.
    """

    def __init__(self, limits: tuple[float, ...]) -> None:
        self._limits = limits
        self._largest, self._contrast, self._beyond = -math.inf, False, 0

    def of(self, block: NDArray[Any], name: str, archive: ZipFile) -> NDArray[np.uint8]:
        """Return the levels of a block of images, (n, ...).

        Raises:
            InvalidValue: a value is not a number.
        """
        if not self._limits:
            self._largest = max(self._largest, block.max(initial=0))
            self._contrast = self._contrast or _has_contrast(block)
            levels: NDArray[np.uint8] = block
            return levels
        levels, beyond = in_range(block, self._limits)
        if np.isnan(block).any():
            raise wrong(archive, f"{name} has a value that is not a number: save finite values")
        self._beyond += int(beyond.reshape(len(block), -1).any(axis=1).sum())
        return levels

    def notes(self) -> Iterator[str]:
        """Yield a note about images that are nearly black, or values out of range."""
        if self._beyond:
            yield beyond_note(self._beyond, self._limits)
        if self._limits:
            return
        if self._largest == 1:
            yield with_remedy(
                "images is uint8 with no value but 0 and 1, which are both nearly black:",
                "range", "0,1", " makes them black and white",
            )  # fmt: skip
        elif self._contrast and self._largest < DARK * 255:
            yield with_remedy(
                f"images is nearly black: its largest value is {self._largest} of 255:",
                "range", f"0,{self._largest}", " makes that white",
            )  # fmt: skip


def _has_contrast(images: NDArray[Any]) -> bool:
    """Return whether one of the images has more than one value."""
    if not images.size:
        return False
    flat = images.reshape(len(images), -1)
    return bool((flat != flat[:, :1]).any())


def _write(writer: ImageWriter, array: NpzArray, wanted: NDArray[np.bool_], levels: Levels) -> None:
    """Write the wanted images, in order."""
    start = 0
    for block in track(array.blocks(), f"reading {array.name}", array.block_count):
        images = levels.of(block[wanted[start : start + len(block)]], array.name, array.archive)
        start += len(block)
        if images.ndim == 4 and images.shape[3] in CHANNELS:
            images = images.transpose(0, 3, 1, 2)
        writer.add(images.reshape(len(images), *_shape(array)))
