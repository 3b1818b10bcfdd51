"""Small files as the published data sets have them, for tests to read."""

import gzip
import hashlib
import pickle
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gtk.plugins.datasets import celeba


def idx(values: NDArray[Any]) -> bytes:
    """Return an array as MNIST's files hold it: magic number, sizes, bytes."""
    sizes = struct.pack(f">{values.ndim}I", *values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.astype(np.uint8).tobytes()


def pixels(seed: int, *shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def idx_files(first: int = 0, parts: tuple[str, str] = ("train", "t10k")) -> dict[str, bytes]:
    """Return 30 training and 8 test images with labels, which count from `first`, by file name."""
    files = {}
    for seed, (part, count) in enumerate(zip(parts, (30, 8), strict=True)):
        files[f"{part}-images-idx3-ubyte"] = idx(pixels(seed, count, 28, 28))
        files[f"{part}-labels-idx1-ubyte"] = idx(np.arange(count) % 10 + first)
    return files


def write(folder: Path, files: dict[str, bytes], *, packed: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content, 1) if packed else content)


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def cifar100_files(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Return CIFAR-100's files with 5 and 3 images; torchvision takes them for the real ones."""
    from torchvision.datasets import CIFAR100

    files = {"meta": pickle.dumps({"fine_label_names": [f"thing {i}" for i in range(100)]}, 2)}
    for seed, (name, count) in enumerate({"train": 5, "test": 3}.items()):
        fine = [99 - 7 * i for i in range(count)]
        content = {"data": pixels(seed, count, 3072), "fine_labels": fine, "coarse_labels": fine}
        files[name] = pickle.dumps(content, 2)
        monkeypatch.setattr(CIFAR100, f"{name}_list", [[name, md5(files[name])]])
    monkeypatch.setattr(CIFAR100, "meta", {**CIFAR100.meta, "md5": md5(files["meta"])})
    return files


def celeba_lists(monkeypatch: pytest.MonkeyPatch, parts: list[int]) -> dict[str, bytes]:
    """Return CelebA's lists for images 1.. in these parts; image i has attribute i mod 40 alone."""
    from torchvision.datasets import CelebA

    names = [f"{i:06}.jpg" for i in range(1, len(parts) + 1)]
    count = f"{len(parts)}\n"

    def rows(values: list[list[int]]) -> str:
        return "".join(
            f"{name} {' '.join(f'{value:2}' for value in row)}\n"
            for name, row in zip(names, values, strict=True)
        )

    attributes = [[1 if i == j else -1 for j in range(40)] for i in range(1, len(parts) + 1)]
    header = (
        " ".join(f"Attribute_{i}" for i in range(40)) + " \n"
    )  # the published one, too, ends so
    texts = {
        "list_attr_celeba.txt": count + header + rows(attributes),
        "list_eval_partition.txt": rows([[part] for part in parts]),
        "identity_CelebA.txt": rows([[1]] * len(parts)),
        "list_bbox_celeba.txt": count
        + "image_id x_1 y_1 width height\n"
        + rows([[0] * 4] * len(parts)),
        "list_landmarks_align_celeba.txt": count
        + " ".join(["lefteye_x"] * 10)
        + "\n"
        + rows([[0] * 10] * len(parts)),
    }
    assert set(texts) == set(celeba.LISTS)
    files = {name: text.encode() for name, text in texts.items()}
    listed = [("", md5(content), name) for name, content in files.items()]
    monkeypatch.setattr(CelebA, "file_list", [("", "", "img_align_celeba.zip"), *listed])
    return files


def write_face(path: Path, seed: int) -> Image.Image:
    """Write an aligned face, and return it as it is read: coloured blocks of 8x8 pixels."""
    blocks = pixels(seed, 28, 23, 3).repeat(8, axis=0).repeat(8, axis=1)[:218, :178]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(blocks).save(path, format="JPEG", quality=95)
    with Image.open(path) as image:
        return image.convert("RGB")


@contextmanager
def only_read(root: Path) -> Iterator[None]:
    """Check that a folder and all that is in it stays as it is, to the time of its last change."""

    def state() -> dict[Path, tuple[int, bytes]]:
        paths = [root, *root.rglob("*")]
        return {
            path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for path in paths
        }

    before = state()
    for path in before:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        yield
    finally:
        for path in before:
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert state() == before
