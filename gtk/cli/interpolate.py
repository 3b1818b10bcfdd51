"""`gtk interpolate`: what lies between random points, between conditions, or between images."""

from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from gtk.cli.condition import (
    condition_options,
    parse_numbers,
    split_numbers,
    wanted_condition,
)
from gtk.cli.options import data_root_option, number_option, source_argument
from gtk.cli.picture import Layout, PictureOptions, percentages, picture_options
from gtk.cli.sampler_options import DrawingCommand
from gtk.core.models.source import Source
from gtk.core.storage.run_source import RunSource
from gtk.core.values.condition import Classes, ConditionSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.interpolation import spherical
from gtk.core.values.text import as_utf8

ROWS, MOST_EXAMPLES = 5, 10


@click.command(cls=DrawingCommand)
@source_argument
@click.option(
    "--from",
    "start",
    type=as_utf8,
    metavar="CONDITION",
    help="A class, or NAME=VALUE with commas; with --to, each row keeps one z.",
)
@click.option(
    "--to", "end", type=as_utf8, metavar="CONDITION", help="The condition at the other end."
)
@click.option(
    "--images",
    "ends",
    nargs=2,
    metavar="IMAGE IMAGE",
    help="Two test images, by number from 0, or image files.",
)
@condition_options("The class of every image, or of the files of --images.")
@data_root_option
@number_option("--steps", text="Images from one end to the other.", low=2, high=100, default=10)
@number_option(
    "--rows", text=f"Rows of images.  [default: one for each class, or {ROWS}]", high=100
)
@picture_options()
def interpolate(
    *,
    source: str,
    start: str | None,
    end: str | None,
    ends: tuple[str, str] | None,
    label: str | None,
    conditions: tuple[str, ...],
    data_root: Path | None,
    steps: int,
    rows: int | None,
    picture: PictureOptions,
) -> None:
    """Draw what lies between images, conditions or random points.

    gtk interpolate latest --out points.png

    gtk interpolate latest --from 3 --to 8 --out classes.png

    gtk interpolate latest --images 0 5 --out images.png

    gtk interpolate faces.onnx --from smiling=0 --to smiling=1 --out smiles.png
    """
    picture.check(".png")
    if (start is None) != (end is None):
        raise InvalidValue("--from and --to go together: give both")
    if ends is not None:
        if start is not None or rows is not None:
            raise InvalidValue("--images takes neither --from and --to nor --rows")
        from gtk.cli.between_images import between_images

        run = picture.open_run(source, "no encoder")
        if "guidance" not in picture.sampler_options:
            run.draw_unguided()  # else not even the ends would be the images
        given = picture.sampler is not None or bool(picture.sampler_options)
        layout, facts = between_images(
            run, ends, label, conditions, steps, data_root, by_sampler=given
        )
        picture.show(layout, f"{steps} steps between images {ends[0]} and {ends[1]}", facts)
        return
    if data_root is not None:
        raise InvalidValue("--data-root goes with --images: leave it out")
    origin, seed = picture.open(source), picture.seed or 0
    facts = {**origin.drawn_with, "seed": seed}
    if start is None or end is None:
        wanted = wanted_condition(origin.condition, label, conditions)
        layout = _between_points(origin, wanted, steps, rows, seed)
        picture.show(layout, f"{steps} steps between random points, seed {seed}{origin.how}", facts)
        return
    spec = origin.condition
    if spec is None:
        raise InvalidValue("this model was trained without a condition: leave --from and --to out")
    if label is not None:
        raise InvalidValue("--from and --to give the classes: leave --label out")
    rows = rows or ROWS
    if isinstance(spec, Classes):
        wanted_condition(spec, None, conditions)  # refuses them
        layout = _between_classes(origin, spec, (start, end), steps, rows, seed)
    else:
        layout = _between_numbers(origin, spec, (start, end), conditions, steps, rows, seed)
    picture.show(layout, f"{steps} steps from {start} to {end}, seed {seed}{origin.how}", facts)


def _between_points(
    source: Source, wanted: NDArray[Any] | None, steps: int, rows: int | None, seed: int
) -> Layout:
    """Go along an arc from one draw of noise to another in each row."""
    spec = source.condition
    examples = [] if spec is None or wanted is not None else spec.example_names()
    count = rows or min(len(examples), MOST_EXAMPLES) or ROWS
    shares = np.linspace(0, 1, steps)
    noise = source.draw_noise(2 * count, seed)
    paths = [spherical(noise[2 * row], noise[2 * row + 1], shares) for row in range(count)]
    names: list[str] = []
    if spec is not None and wanted is None:
        names = [examples[row % len(examples)] for row in range(count)]
        wanted = spec.cycle(count).repeat(steps, axis=0)
    images = source.generate(np.concatenate(paths), wanted)
    return Layout(images, steps, column_names=percentages(steps), row_names=names)


def _between_classes(
    source: Source, spec: Classes, ends: tuple[str, str], steps: int, rows: int, seed: int
) -> Layout:
    """Go from one class to another, with the same noise all along each row.

    Raises:
        InvalidValue: an exported file, where a class is a whole number and nothing else.
    """
    if not isinstance(source, RunSource):
        raise InvalidValue(
            f"{source.reference} is an exported file, which takes whole classes and cannot mix "
            "them: name the run"
        )
    labels = np.stack([spec.encode(end) for end in ends])
    noise = source.draw_noise(rows, seed).repeat(steps, axis=0)
    images = source.blend(noise, labels, np.tile(np.linspace(0, 1, steps), rows))
    names = [spec.name(labels[0]), *percentages(steps)[1:-1], spec.name(labels[1])]
    return Layout(images, steps, column_names=names)


def _between_numbers(
    source: Source,
    spec: ConditionSpec,
    ends: tuple[str, str],
    conditions: tuple[str, ...],
    steps: int,
    rows: int,
    seed: int,
) -> Layout:
    """Go straight from some numbers to others, with the same noise all along each row."""
    fixed = parse_numbers(conditions, "--condition")
    start, end = (
        parse_numbers(split_numbers(text), option)
        for text, option in zip(ends, ("--from", "--to"), strict=True)
    )
    if set(start) != set(end) or set(start) & set(fixed):
        raise InvalidValue(
            "--from and --to must name the same attributes or numbers, and --condition others"
        )
    values = [
        {name: _between(start[name], end[name], step / (steps - 1)) for name in start}
        for step in range(steps)
    ]
    for value in (values[0], values[-1]):  # so that a message shows what the user gave
        spec.encode(fixed | value)
    way = np.stack([spec.encode(fixed | value) for value in values])
    noise = source.draw_noise(rows, seed).repeat(steps, axis=0)
    images = source.generate(noise, np.concatenate([way] * rows))
    if len(start) > 1:
        return Layout(images, steps, column_names=percentages(steps), column_title=", ".join(start))
    (name,) = start
    shown = [f"{value[name]:.3g}" for value in values]
    return Layout(images, steps, column_names=shown, column_title=name)


def _between(start: float, end: float, share: float) -> float:
    """Return a number on the way, never beyond its ends."""
    low, high = min(start, end), max(start, end)
    return min(max(start + (end - start) * share, low), high)
