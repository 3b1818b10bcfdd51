"""`gtk sample`: pictures from a run, or from an exported file without torch."""

import math
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from gtk.cli.condition import check_classes, condition_options, split_names, wanted_condition
from gtk.cli.options import data_root_option, number_option, source_argument
from gtk.cli.picture import Layout, PictureOptions, picture_options
from gtk.cli.sampler_options import DrawingCommand
from gtk.core.storage.run_source import RunSource
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.text import as_utf8, counted
from gtk.pictures.grid import check_grid, enough_columns, most_columns

#: A picture with more images than this is too large to look at.
MOST = 10_000
ROWS = 5
COUNT = 16


@click.command(cls=DrawingCommand)
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
@data_root_option
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
    data_root: Path | None,
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
    if data_root is not None and not isinstance(origin, RunSource):
        raise InvalidValue(f"--data-root is for runs, and {source} is a file: leave it out")
    origin.batch_size, origin.data_root = batch_size, data_root
    names, shown = list[str](), ""
    encoded = wanted_condition(origin.condition, label, conditions)
    if origin.condition is None or encoded is not None:
        if labels is not None:
            raise InvalidValue("--labels is for models of classes: leave it out")
        if rows is not None:
            raise InvalidValue("--rows goes with --labels; here give the number of images: -n N")
        total = count or COUNT
        columns = math.ceil(math.sqrt(total))
    else:
        most = most_columns(origin.image_size, ROWS, picture.scale)
        encoded, names, shown = _columns(origin.condition, labels, count, rows, most)
        total = len(encoded)
        columns = math.ceil(math.sqrt(total))
        if names:
            columns = enough_columns(total, len(names), origin.image_size, picture.scale)
            names = names * (columns // len(names))
    check_grid(total, columns, origin.image_size, picture.scale)
    seed = picture.seed or 0
    images = origin.generate(origin.draw_noise(total, seed), encoded, seed=seed, moving=False)
    layout = Layout(images, columns, column_names=names)
    picture.show(
        layout,
        f"{counted(total, 'image')}, seed {seed}{origin.how}{shown}",
        {**origin.drawn_with, "seed": seed},
    )


def _columns(
    spec: ConditionSpec, labels: str | None, count: int | None, rows: int | None, most: int
) -> tuple[NDArray[Any], list[str], str]:
    """Return the condition of each image, the names of the columns, and which of all they are.

    A column is a class or an example. Of all classes at most `most` are shown. With `count` all
    have their turn, but the columns have names only where each fits one.

    Raises:
        InvalidValue: options that contradict each other or the model, or too many images.
    """
    if count is not None:
        if labels is not None or rows is not None:
            raise InvalidValue(
                "-n goes with --label; with --labels give the number of rows: --rows N"
            )
        examples = spec.examples()[:count]
        fits = len(examples) <= most
        return spec.cycle(count), [spec.name(row) for row in examples] if fits else [], ""
    if labels is not None:
        check_classes(spec)
    rows = rows or ROWS
    if labels in (None, "all"):
        examples = spec.examples()
        chosen = [*examples[:most]]
        which = f", the first {most} of {len(examples):,} {spec.nouns[1]}: --labels names others"
        shown = which if len(examples) > most else ""
    else:
        chosen = [spec.encode(part) for part in split_names(str(labels), spec.names)]
        shown = ""
    check_count(rows * len(chosen))
    return np.stack(chosen * rows), [spec.name(row) for row in chosen], shown


def check_count(total: int) -> None:
    """Refuse more images than `MOST`, before any is drawn: a file may claim millions of classes."""
    if total > MOST:
        raise InvalidValue(
            f"{total:,} images are more than {MOST:,}: name some classes with --labels, or one "
            "with --label, and give fewer --rows"
        )
