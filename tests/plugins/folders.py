"""Folders of small images, for tests: each image has one level of grey, which says which it is."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from gtk.core.values.dataset import Dataset
from gtk.plugins.datasets import FolderConfig
from gtk.plugins.datasets.folder import load


def write_image(path: Path, level: int = 0, size: tuple[int, int] = (4, 4)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, level).save(path)
    return path


def write_images(root: Path, names: Iterable[str]) -> Path:
    """Write an image under each name; their levels count from 0."""
    for level, name in enumerate(names):
        write_image(root / name, level)
    return root


def load_folder(root: Path, **options: object) -> Dataset:
    return load(FolderConfig(**options), root)  # type: ignore[arg-type]


def levels(data: Dataset) -> tuple[list[int], list[int]]:
    """Return which images are for training, and which for testing."""
    for split in (data.train, data.test):
        assert (split.images == split.images[:, :, :1, :1]).all()
    train, test = (np.asarray(split.images[:, 0, 0, 0]) for split in (data.train, data.test))
    return train.tolist(), test.tolist()
