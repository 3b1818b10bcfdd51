"""`gtk sample`: pictures from a run, or from an exported file without torch."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from gtk.cli.condition import condition_options, wanted_condition
from gtk.cli.options import RunReference
from gtk.cli.picture import Layout, PictureOptions, picture_options
from gtk.core.values.condition import Classes, ConditionSpec
from gtk.core.values.errors import InvalidValue

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: A picture with more images than this is not one to look at.
MOST = 10_000
ROWS = 5
COUNT = 16


@click.command()
@click.argument("source", metavar="RUN|FILE.onnx", type=RunReference())
@condition_options("A class, by number or name, for every image.")
@click.option(
    "--labels", metavar="CLASSES", help="'all', or classes with commas: a column for each."
)
@click.option("-n", "count", type=click.IntRange(1, MOST), metavar="N", help="Images to draw.")
@click.option(
    "--rows",
    type=click.IntRange(1, MOST),
    metavar="N",
    help=f"Images of each class.  [default: {ROWS}]",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=256,
    show_default=True,
    help="Images in one pass.",
)
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
    import numpy as np

    picture.check(".png")
    if label is not None and labels is not None:
        raise InvalidValue("give --label or --labels, not both")
    origin = picture.open(source)
    origin.batch_size = batch_size
    wanted = wanted_condition(origin.condition, label, conditions)
    if origin.condition is None or wanted is not None:
        if labels is not None:
            raise InvalidValue("--labels is for models of classes: leave it out")
        if rows is not None:
            raise InvalidValue("--rows goes with --labels; here say how many images: -n N")
        total = count or COUNT
        chosen = None if wanted is None else np.stack([wanted] * total)
        plan = Plan(chosen, total, math.ceil(math.sqrt(total)), ())
    else:
        plan = _columns(origin.condition, labels, count, rows)
    seed = picture.seed or 0
    images = origin.sample(plan.labels, plan.count, seed)
    picture.show(
        Layout(images, plan.columns, column_names=plan.names), f"{plan.count} images, seed {seed}"
    )


@dataclass(frozen=True)
class Plan:
    """What is drawn.

    Attributes:
        labels: of each image, encoded; None for all of the model's examples in turn.
        count: images.
        columns: images in a row.
        names: of the columns, where each has one condition.
    """

    labels: "NDArray[Any] | None"
    count: int
    columns: int
    names: tuple[str, ...]


def _columns(spec: ConditionSpec, labels: str | None, count: int | None, rows: int | None) -> Plan:
    """Plan a column for each class, or for each example of another condition.

    Raises:
        InvalidValue: options that contradict each other or the model.
    """
    import numpy as np

    if count is not None:
        if labels is not None or rows is not None:
            raise InvalidValue("-n goes with --label; with --labels say how many of each: --rows N")
        names = spec.example_names()[:count]
        return Plan(None, count, len(names), tuple(names))
    if labels is not None and not isinstance(spec, Classes):
        given = ", ".join(spec.names)
        raise InvalidValue(f"this model has no classes: give {given} with --condition NAME=VALUE")
    if labels in (None, "all"):
        names = spec.example_names()
        return Plan(None, (rows or ROWS) * len(names), len(names), tuple(names))
    wanted = [spec.encode(part.strip()) for part in str(labels).split(",")]
    drawn = np.stack(wanted * (rows or ROWS))
    return Plan(drawn, len(drawn), len(wanted), tuple(map(spec.name, wanted)))
