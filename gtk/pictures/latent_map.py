"""Latent space to look into: points whose images show under the pointer."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.dataset import spread
from gtk.core.values.output import write_file
from gtk.pictures.embedded import Picture
from gtk.pictures.figure import BLUE, class_colors
from gtk.pictures.grid import write_png
from gtk.pictures.markup import escaped, isolated, shortened
from gtk.pictures.scatter import plane

#: Points that have their image; more of them would hide each other, and make a page large.
MOST_POINTS = 500
#: Images side by side in the picture that holds all of them, and their greatest side in pixels.
COLUMNS, MOST_PIXELS = 25, 64
#: Classes that have their name below the points.
MOST_NAMES = 100
#: About how many pixels of a screen the image of a point is wide.
THUMB = 96
#: The drawing's own units, and the room for numbers and names.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 520, 52, 14, 14, 42


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


def latent_figure(latents: LatentMap, images: Picture) -> str:
    """Return the figure with points, their images, and the names of the classes."""
    colors = _colors(len(latents.classes))
    places = _places(latents)
    radius = 5 if len(places) > 100 else 7
    circles = "".join(
        f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{_fill(latents, at, colors)}"'
        f"{_label(latents, at)}><title>{_point_name(latents, at)}</title></circle>\n"
        for at, (x, y) in enumerate(places)
    )
    middle, across = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    some = "all" if len(places) == latents.total else f"{len(places)} of the"
    label = (
        f"Latent space after epoch {latents.epoch}: {some} {latents.total} test images as points. "
        "The arrow keys go from point to point and name the class of its image."
    )
    return (
        '<figure><div class="map">\n'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" tabindex="0" aria-label="{label}">\n'
        f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" '
        f'height="{HEIGHT - TOP - BOTTOM}" fill="none" class="rule"/>\n{circles}'
        f'<text x="{middle}" y="{HEIGHT - 14}" class="middle">{escaped(latents.axes[0])}</text>\n'
        f'<text transform="translate(24 {across}) rotate(-90)" class="middle">'
        f"{escaped(latents.axes[1])}</text></svg>\n{_peek(latents, images)}</div>\n"
        f"{_legend(latents, colors)}"
        f'<p class="note">{some.capitalize()} {latents.total:,} test images'
        f"{'' if some == 'all' else ', evenly chosen'}, after epoch {latents.epoch}: the mean of "
        "each image's posterior. Point at one, touch it, or go from one to the next with the arrow "
        "keys, to see the image; a class's name picks its points out.</p></figure>"
    )


def _places(latents: LatentMap) -> list[tuple[float, float]]:
    """Return where each point is drawn; a step along x is as long as one along y."""
    points = np.asarray(latents.points, np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    room = np.array([WIDTH - LEFT - RIGHT - 24, HEIGHT - TOP - BOTTOM - 24], np.float64)
    zoom = room / np.maximum(high - low, 1e-9)
    if latents.axes[1]:  # without a name, y only keeps the classes apart
        zoom[:] = zoom.min()
    centre = np.array([(LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2])
    drawn = centre + (points - (low + high) / 2) * zoom * [1, -1]
    return [(round(x, 1), round(y, 1)) for x, y in drawn.tolist()]


def _colors(count: int) -> list[str]:
    """Return a colour for each class, those of the PNG."""
    if not count:
        return [BLUE]
    rows = (class_colors(count)[:, :3] * 255).round().astype(int).tolist()
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in rows]


def _fill(latents: LatentMap, at: int, colors: Sequence[str]) -> str:
    return colors[latents.labels[at]] if latents.labels else colors[0]


def _label(latents: LatentMap, at: int) -> str:
    return f' data-label="{latents.labels[at]}"' if latents.labels else ""


def _point_name(latents: LatentMap, at: int) -> str:
    image = f"test image {latents.rows[at]}"
    if not latents.labels:
        return image
    return escaped(f"class {shortened(latents.classes[latents.labels[at]])}, {image}")


def _peek(latents: LatentMap, images: Picture) -> str:
    """Return the box with a point's image; the script moves the picture behind its window."""
    width, height = latents.cell
    columns = min(COLUMNS, len(latents.rows))
    factor = max(1, round(THUMB / max(width, height)))
    wide, high = width * factor, height * factor
    lines = -(-len(latents.rows) // columns)
    return (
        '<div class="peek" hidden>'
        f'<div class="thumb" role="img" data-columns="{columns}" data-width="{wide}" '
        f'data-height="{high}" style="width:{wide}px;height:{high}px;'
        f'background-size:{columns * wide}px {lines * high}px;background-image:url({images.uri})">'
        '</div><output aria-live="polite" dir="auto"></output></div>'
    )


def _legend(latents: LatentMap, colors: Sequence[str]) -> str:
    pairs = list(zip(latents.classes, colors, strict=False))[:MOST_NAMES]
    items = "".join(
        f'<li><button type="button" class="pick" data-label="{label}" aria-pressed="false" '
        "disabled>"
        f'<span class="swatch" style="background:{color}"></span>{isolated(name)}</button></li>'
        for label, (name, color) in enumerate(pairs)
    )
    return f'<ul class="legend" aria-label="classes">{items}</ul>\n' if items else ""
