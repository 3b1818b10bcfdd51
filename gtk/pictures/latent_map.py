"""Latent space to look into: points whose images show under the pointer."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.dataset import spread
from gtk.core.values.output import write_file
from gtk.pictures.chart import Box
from gtk.pictures.embedded import Picture
from gtk.pictures.figure import BLUE, class_colors
from gtk.pictures.grid import write_png
from gtk.pictures.scatter import plane

#: Points that have their image; more of them would hide each other, and make a page large.
MOST_POINTS = 500
#: Images side by side in the picture that holds all of them, and their greatest side in pixels.
COLUMNS, MOST_PIXELS = 25, 64
#: Classes that have their name below the points.
MOST_NAMES = 100
#: About how many pixels of a screen the image of a point is wide.
THUMB = 96
#: Between the box's edges and the points.
MARGIN = 12
BOX = Box(width=720, height=520, left=52, right=706, top=14, bottom=478)


@dataclass(frozen=True)
class LatentMap:
    """Some test images as points in a plane.

    Attributes:
        epoch: after which the model put them there.
        total: how many test images there are.
        rows: which of them these are, in order.
        points: (x, y) of each.
        labels: the row in `classes` of each; empty where there are none.
        classes: their names.
        axes: the names of x and y, the latter empty where y means nothing.
        cell: width and height of an image in the picture of all of them, `COLUMNS` to a row.
    """

    epoch: int
    total: int
    rows: Sequence[int]
    points: Sequence[Sequence[float]]
    labels: Sequence[int]
    classes: Sequence[str]
    axes: Sequence[str]
    cell: Sequence[int]
    box: ClassVar[Box] = BOX

    @classmethod
    def read(cls, folder: Path) -> "tuple[LatentMap, Picture] | None":
        """Read what `write_latent_map` wrote; None where it is not there, or damaged."""
        try:
            document: Any = json.loads((folder / "latents.json").read_text(encoding="utf-8"))
            latents = cls(**document)
            latents.check()
        except (OSError, ValueError, TypeError, LookupError):
            return None
        images = Picture.read(folder / "latents-images.png")
        return None if images is None else (latents, images)

    def check(self) -> None:
        """Refuse what `write_latent_map` does not write.

        Raises:
            ValueError: something does not fit.
            TypeError: something is of the wrong kind.
        """
        numbers: list[float] = [self.epoch, self.total, *self.cell, *self.rows, *self.labels]
        numbers += [number for x, y in self.points for number in (x, y)]
        whole = bool(self.rows) and all(math.isfinite(number) for number in numbers)
        counted = [self.epoch, self.total, *self.cell, *self.rows, *self.labels]
        whole = whole and all(isinstance(number, int) for number in counted) and min(self.cell) > 0
        counts = {len(self.rows), len(self.points), len(self.labels) or len(self.rows)}
        labelled = all(0 <= label < len(self.classes) for label in self.labels)
        if not (whole and labelled and len(counts) == 1 and len(self.axes) == len(self.cell) == 2):
            raise ValueError("damaged")

    def places(self) -> list[tuple[float, float]]:
        """Return where each point is drawn; a step along x is as long as one along y."""
        points = np.asarray(self.points, np.float64)
        low, high = points.min(axis=0), points.max(axis=0)
        room = np.array([BOX.right - BOX.left, BOX.bottom - BOX.top], np.float64) - 2 * MARGIN
        zoom = room / np.maximum(high - low, 1e-9)
        if self.axes[1]:  # without a name, y only keeps the classes apart
            zoom[:] = zoom.min()
        drawn = np.array(BOX.centre) + (points - (low + high) / 2) * zoom * [1, -1]
        return [(round(x, 1), round(y, 1)) for x, y in drawn.tolist()]

    def colors(self) -> list[str]:
        """Return a colour for each class, those of the PNG; one where there are no classes."""
        if not self.classes:
            return [BLUE]
        rows = (class_colors(len(self.classes))[:, :3] * 255).round().astype(int).tolist()
        return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in rows]

    @property
    def named(self) -> Sequence[str]:
        """The classes that have their name below the points."""
        return self.classes[:MOST_NAMES]

    @property
    def sheet(self) -> tuple[int, int]:
        """Columns and lines of the picture of all images."""
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
        folder: which exists.
        codes: (N, D) of all test images, N at least 2, as `latent_scatter` draws them.
        labels: (N,), the row in `classes` of each.
        classes: their names; empty where there are none.
        images: (N, C, H, W).
        epoch: that the codes are of.

    Raises:
        UserError: a file cannot be written.
    """
    points, axes = plane(codes, labels)
    rows = spread(len(codes), MOST_POINTS)
    pictures = [_small(image) for image in images[rows]]
    height, width = pictures[0].shape[:2]
    latents = LatentMap(
        epoch=epoch,
        total=len(codes),
        rows=rows.tolist(),
        points=[[float(f"{x:.5g}"), float(f"{y:.5g}")] for x, y in points[rows].tolist()],
        labels=labels[rows].tolist() if classes else [],
        classes=list(classes),
        axes=list(axes),
        cell=[width, height],
    )
    # The picture first: points without images would show nothing, images without points are idle.
    write_png(_sheet(pictures), folder / "latents-images.png")
    write_file(folder / "latents.json", (json.dumps(asdict(latents)) + "\n").encode())


def _small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (C, H, W) as (H, W) or (H, W, 3), made smaller where it is large."""
    pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    longest = max(pixels.shape[:2])
    if longest <= MOST_PIXELS:
        return pixels
    from PIL import Image

    height, width = (max(1, round(side * MOST_PIXELS / longest)) for side in pixels.shape[:2])
    shrunk = Image.fromarray(np.ascontiguousarray(pixels)).resize(
        (width, height), Image.Resampling.BOX
    )
    return np.asarray(shrunk)


def _sheet(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Lay pictures out side by side with nothing between them."""
    height, width = pictures[0].shape[:2]
    columns = min(COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    sheet = np.zeros((rows * height, columns * width, *pictures[0].shape[2:]), np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // columns * height, index % columns * width
        sheet[top : top + height, left : left + width] = picture
    return sheet
