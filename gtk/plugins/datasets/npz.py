"""The data set 'npz': a user's own arrays of images and labels in an .npz file."""

from functools import partial
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from gtk.core.registry.spec import NoConfig
from gtk.core.storage.cache import Decoded, ImageWriter, cached_dataset, fingerprint
from gtk.core.values.condition import Classes
from gtk.core.values.dataset import Dataset, DataSpec
from gtk.core.values.text import visible
from gtk.core.values.tracking import track
from gtk.plugins.datasets import LONGEST_SIDE
from gtk.plugins.datasets.array_labels import read_labels
from gtk.plugins.datasets.npz_array import NpzArray, find_array, open_archive, wrong
from gtk.plugins.datasets.splitting import choose_tested

CHANNELS = (1, 3)


def load(_config: NoConfig, root: Path) -> Dataset:
    """Return the images of an .npz file, read once and then mapped from the cache.

    docs/data.md lists its arrays. Pickled objects are refused. Images are read in blocks, so the
    file may be larger than memory.

    Raises:
        InvalidValue: the file or an array in it is wrong.
        UserError: the cache cannot be written.
    """
    with open_archive(root) as archive:
        return cached_dataset(
            {"data": "npz", "root": str(root.resolve())},
            fingerprint(root.parent, [root]),
            None,
            partial(_decode_archive, archive, root),
        )


def _decode_archive(archive: ZipFile, root: Path, writer: ImageWriter) -> Decoded:
    """Write all images, training images first."""
    images = _images(archive, "images")
    if images is None:
        raise wrong(archive, "the array 'images' is missing: save uint8 (N, H, W) or (N, H, W, C)")
    held_out = _images(archive, "test_images")
    counts = [len(images), 0 if held_out is None else len(held_out)]
    condition, labels, notes = read_labels(archive, counts[0], counts[1])
    if held_out is None:
        classes = labels if isinstance(condition, Classes) else np.zeros(counts[0])
        tested = choose_tested([str(row) for row in range(counts[0])], classes.tolist())
    else:
        if _shape(held_out) != _shape(images):
            raise wrong(archive, "images and test_images differ in shape: save both alike")
        tested = np.repeat([False, True], counts)
    if tested.all() or not tested.any():
        what = "testing" if tested.all() else "training"
        raise wrong(
            archive, f"all images would be for {what}: give two or more of at least one class"
        )
    _write(writer, images, ~tested[: counts[0]])
    _write(writer, *((images, tested) if held_out is None else (held_out, tested[counts[0] :])))
    spec = DataSpec(visible(root.resolve().stem) or "npz", *_shape(images), condition)
    order = np.argsort(tested, kind="stable")
    return Decoded(spec, int((~tested).sum()), labels[order], notes)


def _images(archive: ZipFile, name: str) -> NpzArray | None:
    """Return an array of images, None if the file lacks it; refuse other types and shapes."""
    array = find_array(archive, name)
    if array is None:
        return None
    if array.dtype != np.uint8:
        example = "(images * 255).round().astype('uint8') if they are in 0..1"
        raise wrong(
            archive, f"{name} is {array.dtype} instead of uint8: save levels 0..255, {example}"
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


def _write(writer: ImageWriter, array: NpzArray, wanted: NDArray[np.bool_]) -> None:
    """Write the wanted images, in order."""
    start = 0
    for block in track(array.blocks(), f"reading {array.name}", array.block_count):
        images = block[wanted[start : start + len(block)]]
        start += len(block)
        if images.ndim == 4 and images.shape[3] in CHANNELS:
            images = images.transpose(0, 3, 1, 2)
        writer.add(images.reshape(len(images), *_shape(array)))
