"""Which image is in which cell, and that a file is whole or absent."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gtk.core.values.errors import InvalidValue
from gtk.pictures.grid import CELL_HEIGHT, GAP_LEVEL, check_picture, image_grid, write_png


@pytest.mark.parametrize("channels", [(), (3,)])
def test_images_are_laid_out_row_by_row(channels: tuple[int, ...]) -> None:
    images = np.zeros((5, 2, 3, *channels), np.uint8)
    images += np.arange(1, 6, dtype=np.uint8).reshape(5, *[1] * (images.ndim - 1)) * 10
    grid = image_grid(images, columns=3, scale=1)
    plane = grid[..., 0] if channels else grid
    gap, left_over = GAP_LEVEL, GAP_LEVEL
    assert plane.tolist() == [
        [10, 10, 10, gap, 20, 20, 20, gap, 30, 30, 30],
        [10, 10, 10, gap, 20, 20, 20, gap, 30, 30, 30],
        [gap] * 11,
        [40, 40, 40, gap, 50, 50, 50, gap, *[left_over] * 3],
        [40, 40, 40, gap, 50, 50, 50, gap, *[left_over] * 3],
    ]


def test_small_images_are_magnified_without_smoothing() -> None:
    image = np.arange(64, dtype=np.uint8).reshape(1, 8, 8) * 4
    grid = image_grid(image, columns=1)
    assert grid.shape == (CELL_HEIGHT, CELL_HEIGHT)
    assert np.array_equal(grid[::8, ::8], image[0])
    assert set(np.unique(grid)) == set(np.unique(image))
    assert image_grid(np.zeros((1, 200, 100), np.uint8), columns=1).shape == (200, 100)


def test_a_written_picture_is_read_back(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    write_png(pixels, tmp_path / "a.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), pixels)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_failed_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_png(np.zeros((2, 2, 7), np.uint8), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_a_side_is_at_most_32767_pixels() -> None:
    check_picture(32_767, 1)
    with pytest.raises(InvalidValue, match="the picture would have 32,768x1 pixels"):
        check_picture(1, 32_768)
