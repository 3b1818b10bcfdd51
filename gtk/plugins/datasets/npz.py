"""A user's own arrays: an .npz file with images and labels."""

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
from gtk.plugins.datasets.array_labels import read_labels
from gtk.plugins.datasets.folder_config import LONGEST_SIDE
from gtk.plugins.datasets.npz_array import Member, find_member, open_archive, wrong
from gtk.plugins.datasets.splitting import choose_tested

CHANNELS = (1, 3)


def load(_config: NoConfig, root: Path) -> Dataset:
    """Return the images of an .npz file, read once and then mapped from the cache.

    docs/data.md says which arrays it may have. Nothing in it is unpickled, and images are read in
    blocks, so that the file may be larger than the memory.

    Args:
        root: the file, which is only read.

    Raises:
        InvalidValue: the file or an array in it is not as it should be.
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
    """Write all images, those for training first."""
    images = _images(archive, "images")
    if images is None:
        raise wrong(archive, "there is no array 'images': save uint8 (N, H, W) or (N, H, W, C)")
    held_out = _images(archive, "test_images")
    counts = [len(images), 0 if held_out is None else len(held_out)]
    condition, labels, notes = read_labels(archive, counts[0], counts[1])
    if held_out is None:
        classes = labels if isinstance(condition, Classes) else np.zeros(counts[0])
        tested = choose_tested([str(row) for row in range(counts[0])], classes.tolist())
    else:
        if _shape(held_out) != _shape(images):
            raise wrong(archive, "images and test_images differ in height, width or channels")
        tested = np.repeat([False, True], counts)
    if tested.all() or not tested.any():
        what = "training" if tested.all() else "testing"
        raise wrong(
            archive, f"there is no image for {what}: give two or more, of one class at least"
        )
    _write(writer, images, ~tested[: counts[0]])
    if held_out is None:
        _write(writer, images, tested)
    else:
        _write(writer, held_out, tested[counts[0] :])
    spec = DataSpec(visible(root.resolve().stem) or "npz", *_shape(images), condition)
    order = np.argsort(tested, kind="stable")
    return Decoded(spec, int((~tested).sum()), labels[order], notes)


def _images(archive: ZipFile, name: str) -> Member | None:
    """Return an array of images, None if the file has none of that name.

    Raises:
        InvalidValue: it is of another type or shape than images are.
    """
    member = find_member(archive, name)
    if member is None:
        return None
    if member.dtype != np.uint8:
        example = "(images * 255).round().astype('uint8') if they are in 0..1"
        raise wrong(archive, f"{name} is {member.dtype}, not uint8: save levels 0..255, {example}")
    if len(member.shape) not in (3, 4) or (
        len(member.shape) == 4 and _channel_axis(member) is None
    ):
        raise wrong(
            archive,
            f"{name} has shape {member.shape}: save (N, H, W), (N, H, W, C) or (N, C, H, W), where "
            "C is 1 or 3",
        )
    sides = _shape(member)[1:]
    if not len(member):
        raise wrong(archive, f"{name} is empty")
    if not all(1 <= side <= LONGEST_SIDE for side in sides):
        raise wrong(
            archive, f"{name} has images of {sides[1]}x{sides[0]}: a side is 1..{LONGEST_SIDE}"
        )
    return member


def _channel_axis(member: Member) -> int | None:
    """Return where the channels are in (N, H, W, C) or (N, C, H, W): the last place goes first."""
    return next((axis for axis in (3, 1) if member.shape[axis] in CHANNELS), None)


def _shape(member: Member) -> tuple[int, int, int]:
    """Return (C, H, W)."""
    if len(member.shape) == 3:
        return 1, member.shape[1], member.shape[2]
    if _channel_axis(member) == 3:
        return member.shape[3], member.shape[1], member.shape[2]
    return member.shape[1], member.shape[2], member.shape[3]


def _write(writer: ImageWriter, member: Member, wanted: NDArray[np.bool_]) -> None:
    """Write the images that are wanted, in their order."""
    start = 0
    for block in track(member.blocks(), f"reading {member.name}", member.block_count):
        images = block[wanted[start : start + len(block)]]
        start += len(block)
        if images.ndim == 4 and _channel_axis(member) == 3:
            images = images.transpose(0, 3, 1, 2)
        writer.add(images.reshape(len(images), *_shape(member)))
