"""A map of latent space, and the manifold of two dimensions.

The map has points, whose images show under the pointer; the manifold is a grid of decoded codes.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gtk.core.settings.json_file import read_document
from gtk.core.settings.run_file import Count, Size
from gtk.core.values.dataset import spread
from gtk.core.values.errors import InvalidValue
from gtk.core.values.output import write_file
from gtk.pictures.chart import Box
from gtk.pictures.embedded import Picture
from gtk.pictures.figure import BLUE, class_colors
from gtk.pictures.grid import GAP_LEVEL, shrunk, tiled, usual_scale, write_png
from gtk.pictures.scatter import plane

#: The most points; more of them would hide each other, and make a page large.
MOST_POINTS = 500
#: The files of the points, of all their images, and of the manifold.
POINTS, IMAGES, MANIFOLD = "latents.json", "latents-images.png", "latents-manifold.png"
#: Images side by side in the picture that holds all of them, and their greatest side in pixels.
COLUMNS, MOST_PIXELS = 25, 64
#: Images on a side of the manifold, and pixels between two of them.
SIDE, LINE = 20, 2
#: The largest latents.json in bytes; names of classes take most of one.
LARGEST_MAP = 4 * 2**20
#: The most classes that are named below the points.
MOST_NAMES = 100
#: No coordinate is larger: with such a one, distances are infinite.
LARGEST_NUMBER = 1e100
#: About how many pixels a point's image is wide on the screen.
THUMB = 96
#: Between the box's edges and the points.
MARGIN = 12
BOX = Box(width=720, height=520, left=52, right=706, top=14, bottom=478)


@dataclass(frozen=True)
class LatentMap:
    """Some test images as points in a plane.

    Attributes:
        epoch: after which the model encoded them.
        total: how many test images there are.
        rows: the row numbers of these images, in order.
        points: (x, y) of each.
        labels: the index in `classes` of each; empty without classes.
        classes: their names.
        axes: the names of x and y; y has none where it only separates the classes.
        cell: width and height of an image in the picture of all of them, `COLUMNS` to a row.
    """

    epoch: Count
    total: Count
    rows: Sequence[Count]
    points: Sequence[tuple[float, float]]
    labels: Sequence[Count]
    classes: Sequence[str]
    axes: tuple[str, str]
    cell: tuple[Size, Size]
    box: ClassVar[Box] = BOX

    @classmethod
    def read(cls, folder: Path) -> "tuple[LatentMap, Picture] | None":
        """Read the files of `write_latent_map`; None where they are missing or damaged."""
        try:
            latents = cls(**read_document(folder / POINTS, cls, LARGEST_MAP))
            latents.check()
        except (FileNotFoundError, InvalidValue, TypeError):  # TypeError: an unknown entry
            return None
        images = Picture.read(folder / IMAGES)
        return None if images is None else (latents, images)

    def check(self) -> None:
        """Refuse, with InvalidValue, values of the right types that do not belong together."""
        if not (
            all(label < len(self.classes) for label in self.labels)
            and 0 < len(self.rows) == len(self.points) == len(self.labels or self.rows)
            and len(self.rows) <= MOST_POINTS
            and max(self.cell) <= MOST_PIXELS
            and all(abs(number) < LARGEST_NUMBER for point in self.points for number in point)
        ):
            raise InvalidValue("its entries do not belong together")

    def places(self) -> list[tuple[float, float]]:
        """Return where each point is drawn; a step along x is as long as one along y."""
        points = np.asarray(self.points, np.float64)
        low, high = points.min(axis=0), points.max(axis=0)
        room = np.array([BOX.right - BOX.left, BOX.bottom - BOX.top], np.float64) - 2 * MARGIN
        zoom = room / np.maximum(high - low, 1e-9)
        if self.axes[1]:  # without a name, y only separates the classes
            zoom[:] = zoom.min()
        drawn = np.array(BOX.centre) + (points - (low + high) / 2) * zoom * [1, -1]
        return [(round(x, 1), round(y, 1)) for x, y in drawn.tolist()]

    def colors(self) -> list[str]:
        """Return a colour for each class, as in the PNG; a single one without classes."""
        if not self.classes:
            return [BLUE]
        rows = (class_colors(len(self.classes))[:, :3] * 255).round().astype(int).tolist()
        return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in rows]

    @property
    def named(self) -> Sequence[str]:
        """The classes that are named below the points."""
        return self.classes[:MOST_NAMES]

    @property
    def sheet(self) -> tuple[int, int]:
        """Columns and rows of the picture of all images."""
        columns = min(COLUMNS, len(self.rows))
        return columns, -(-len(self.rows) // columns)

    @property
    def thumb(self) -> tuple[int, int]:
        """Width and height of a point's image on the screen."""
        width, height = self.cell
        factor = max(1, round(THUMB / max(width, height)))
        return width * factor, height * factor


def write_latent_map(
    folder: Path,
    codes: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    images: NDArray[np.uint8],
    epoch: int,
) -> None:
    """Write latents.json and latents-images.png: evenly chosen points, and their images.

    Args:
        folder: an existing one.
        codes: (N, D) of all test images, N at least 2, as `latent_scatter` draws them.
        labels: (N,), the index in `classes` of each.
        classes: their names; may be empty.
        images: (N, C, H, W).
        epoch: of the codes.

    Raises:
        UserError: a file cannot be written, or is a link.
    """
    points, axes = plane(codes, labels)
    rows = spread(len(codes), MOST_POINTS)
    pictures = [_small(_channels_last(image)) for image in images[rows]]
    height, width = pictures[0].shape[:2]
    latents = LatentMap(
        epoch=epoch,
        total=len(codes),
        rows=rows.tolist(),
        points=[(float(f"{x:.5g}"), float(f"{y:.5g}")) for x, y in points[rows].tolist()],
        labels=labels[rows].tolist() if classes else [],
        classes=list(classes),
        axes=(axes[0], axes[1]),
        cell=(width, height),
    )
    # The picture first: without the points it is unused, but points without it would be damaged.
    sheet = tiled(np.stack(pictures), min(COLUMNS, len(pictures)), 0, 0)
    write_png(sheet, folder / IMAGES, follow=False)
    content = (json.dumps(asdict(latents)) + "\n").encode()
    write_file(folder / POINTS, content, follow=False)


def write_manifold(folder: Path, images: NDArray[np.uint8]) -> None:
    """Write latents-manifold.png: images of a plane of codes.

    Args:
        folder: an existing one.
        images: (SIDE * SIDE, H, W) if grey, (SIDE * SIDE, H, W, 3) in colour, row by row; larger
            ones than `MOST_PIXELS` are drawn smaller.

    Raises:
        UserError: the file cannot be written, or is a link.
    """
    small = np.stack([_small(image) for image in images])
    scale = usual_scale(max(small.shape[1:3]))
    # Magnified first: the lines between images stay thin, so that neighbours compare.
    large = small.repeat(scale, axis=1).repeat(scale, axis=2)
    write_png(tiled(large, SIDE, LINE, GAP_LEVEL), folder / MANIFOLD, follow=False)


def _channels_last(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (C, H, W) as (H, W) if grey, else (H, W, C)."""
    return image[0] if len(image) == 1 else image.transpose(1, 2, 0)


def _small(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (H, W) or (H, W, 3) pixels, no larger than `MOST_PIXELS`."""
    longest = max(pixels.shape[:2])
    if longest <= MOST_PIXELS:
        return pixels
    height, width = (max(1, round(side * MOST_PIXELS / longest)) for side in pixels.shape[:2])
    return shrunk(pixels, height, width)
