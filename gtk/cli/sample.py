"""`gtk sample`: pictures from a run, or from an exported file without torch."""

import math
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from gtk.cli.condition import check_classes, condition_options, wanted_condition
from gtk.cli.options import number_option, source_argument
from gtk.cli.picture import Layout, PictureOptions, picture_options
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.text import as_utf8

#: A picture with more images than this is too large to look at.
MOST = 10_000
ROWS = 5
COUNT = 16


@click.command()
@source_argument
@condition_options("A class, by number or name, for every image.")
@click.option(
    "--labels",
    type=as_utf8,
    metavar="CLASSES",
    help="'all', or classes with commas: a column for each.",
)
@number_option("-n", "count", text="Images to draw.", high=MOST)
@number_option("--rows", text=f"Images of each class.  [default: {ROWS}]", high=MOST)
@number_option("--batch-size", text="Images in one pass.", default=256)
@picture_options()
def sample(
    *,
    source: str,
    label: str | None,
    conditions: tuple[str, ...],
    labels: str | None,
    count: int | None,
    rows: int | None,
    batch_size: int,
    picture: PictureOptions,
) -> None:
    """Draw images and write them as a PNG grid.

    gtk sample latest --label 3 -n 16 --out three.png

    gtk sample latest --labels all --rows 5 --out grid.png

    gtk sample digits.onnx --label 7 -n 16 --out seven.png
    """
    origin = picture.open(source)
    picture.check(".png")
    if label is not None and labels is not None:
        raise InvalidValue("give --label or --labels, not both")
    origin.batch_size = batch_size
    names: list[str] = []
    encoded = wanted_condition(origin.condition, label, conditions)
    if origin.condition is None or encoded is not None:
        if labels is not None:
            raise InvalidValue("--labels is for models of classes: leave it out")
        if rows is not None:
            raise InvalidValue("--rows goes with --labels; here give the number of images: -n N")
        total = count or COUNT
        columns = math.ceil(math.sqrt(total))
    else:
        encoded, names = _columns(origin.condition, labels, count, rows)
        total, columns = len(encoded), len(names)
    seed = picture.seed or 0
    images = origin.generate(origin.draw_noise(total, seed), encoded)
    picture.show(Layout(images, columns, column_names=names), f"{total} images, seed {seed}")


def _columns(
    spec: ConditionSpec, labels: str | None, count: int | None, rows: int | None
) -> tuple[NDArray[Any], list[str]]:
    """Return the condition of each image, and the names of the columns: a class or example each.

    Raises:
        InvalidValue: options that contradict each other or the model, or too many images.
    """
    if count is not None:
        if labels is not None or rows is not None:
            raise InvalidValue(
                "-n goes with --label; with --labels give the number of rows: --rows N"
            )
        return spec.cycle(count), spec.example_names()[:count]
    if labels is not None:
        check_classes(spec)
    rows = rows or ROWS
    if labels in (None, "all"):
        names = spec.example_names()
        check_count(rows * len(names))
        return spec.cycle(rows * len(names)), names
    wanted = [spec.encode(part.strip()) for part in str(labels).split(",")]
    check_count(rows * len(wanted))
    return np.stack(wanted * rows), [spec.name(row) for row in wanted]


def check_count(total: int) -> None:
    """Refuse more images than `MOST`, before any is drawn: a file may claim millions of classes."""
    if total > MOST:
        raise InvalidValue(
            f"{total:,} images are more than {MOST:,}: name some classes with --labels, or one "
            "with --label, and give fewer --rows"
        )
