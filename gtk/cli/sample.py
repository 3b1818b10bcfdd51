"""`gtk sample`: pictures from a run, or from an exported file without torch."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gtk.cli.console import make_console
from gtk.cli.options import RunReference, checkpoint_option, runs_option
from gtk.core.errors import InvalidValue, UserError
from gtk.core.output import check_output_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: A picture with more images than this is not one to look at.
MOST = 10_000
ROWS = 5
COUNT = 16


@dataclass(frozen=True)
class Source:
    """Where samples come from.

    Attributes:
        classes: the names of its classes, None where the condition is none or something else.
        numbers: the names of its attributes or numbers, None where there are none.
        sample: labels, count and seed to images.
    """

    classes: tuple[str, ...] | None
    numbers: tuple[str, ...] | None
    sample: "Callable[..., NDArray[np.uint8]]"


@click.command()
@click.argument("source", metavar="RUN|FILE.onnx", type=RunReference())
@click.option("--label", metavar="CLASS", help="A class, by number or name, for every image.")
@click.option(
    "--labels", metavar="CLASSES", help="'all', or classes with commas: a column for each."
)
@click.option(
    "--condition",
    "conditions",
    multiple=True,
    metavar="NAME=VALUE",
    help="An attribute (0 or 1) or a number, for every image; can be repeated.",
)
@click.option("-n", "count", type=click.IntRange(1, MOST), metavar="N", help="Images to draw.")
@click.option(
    "--rows",
    type=click.IntRange(1, MOST),
    metavar="N",
    help=f"Images of each class.  [default: {ROWS}]",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="The same seed gives the same file.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="The PNG to write.")
@checkpoint_option
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=256,
    show_default=True,
    help="Images in one pass.",
)
@click.option("--device", help="Where a run samples: auto, cpu, cuda, ...  [default: cpu]")
@click.option(
    "--scale",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Width of a pixel; by default to be seen.",
)
@click.option("--no-preview", is_flag=True, help="Do not show the picture in the terminal.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@runs_option
def sample(
    *,
    source: str,
    label: str | None,
    labels: str | None,
    conditions: tuple[str, ...],
    count: int | None,
    rows: int | None,
    seed: int,
    out: Path | None,
    checkpoint: str | None,
    batch_size: int,
    device: str | None,
    scale: int | None,
    no_preview: bool,
    overwrite: bool,
    runs: Path,
) -> None:
    """Draw images and write them as a PNG grid.

    gtk sample latest --label 3 -n 16 --out three.png

    gtk sample latest --labels all --rows 5 --out grid.png

    gtk sample digits.onnx --label 7 -n 16 --out seven.png
    """
    from gtk.pictures.grid import image_grid, write_png

    console = make_console()
    preview = console.is_terminal and not no_preview
    if out is None and not preview:
        raise InvalidValue("say where the picture goes: --out FILE.png")
    if out is not None:
        check_output_file(out, ".png", overwrite=overwrite)
    origin = _open(source, runs, checkpoint, device)
    vector = _vector(origin.numbers, conditions)
    if origin.numbers is not None and (label is not None or labels is not None):
        names = ", ".join(origin.numbers)
        raise InvalidValue(f"this model has no classes: give {names} with --condition NAME=VALUE")
    chosen: list[Any] | None
    if vector is not None:
        if rows is not None:
            raise InvalidValue("--rows goes with --labels; with --condition say how many: -n N")
        total = count or COUNT
        chosen, columns = [vector] * total, math.ceil(math.sqrt(total))
    else:
        chosen, total, columns = _lay_out(origin.classes, label, labels, count, rows)
    images = origin.sample(labels=chosen, count=total, seed=seed, batch_size=batch_size)
    if preview:
        from gtk.pictures.preview import half_blocks

        console.print(half_blocks(image_grid(images, columns, scale=1), console.width), end="")
    if out is not None:
        write_png(image_grid(images, columns, scale), out)
        console.print(f"{out}: {total} images, seed {seed}")


def _open(reference: str, runs: Path, checkpoint: str | None, device: str | None) -> Source:
    """Open an exported file, without torch, or a run."""
    if reference.endswith(".onnx"):
        from gtk.exports.runtime import ExportFileError, RequestError, load

        if checkpoint is not None or device is not None:
            raise InvalidValue(
                f"{reference} is an exported file: --checkpoint and --device are for runs"
            )
        try:
            generator = load(reference)
        except ExportFileError as error:
            raise UserError(str(error)) from error

        def sample_file(**request: Any) -> "NDArray[np.uint8]":  # noqa: ANN401 - as below
            try:
                return generator.sample(**request)
            except RequestError as error:
                raise InvalidValue(str(error)) from error

        numbers = None if generator.ranges is None else tuple(generator.ranges)
        return Source(generator.classes, numbers, sample_file)
    from gtk.core.runs import find_run

    run = find_run(reference, runs)

    def sample_run(**request: Any) -> "NDArray[np.uint8]":  # noqa: ANN401 - as Run.sample takes it
        return run.sample(
            **request, checkpoint=checkpoint, device="cpu" if device is None else device
        )

    names = run.condition.names if run.condition else None
    if run.condition is not None and run.condition.kind != "classes":
        return Source(None, names, sample_run)
    return Source(names, None, sample_run)


def _vector(
    numbers: tuple[str, ...] | None, conditions: tuple[str, ...]
) -> dict[str, float] | None:
    """Read NAME=VALUE into a condition, None where none is given.

    Raises:
        InvalidValue: the model takes no such condition, or a text is no NAME=VALUE.
    """
    if not conditions:
        return None
    if numbers is None:
        raise InvalidValue("--condition is for models of attributes or numbers, which this is not")
    vector = {}
    for text in conditions:
        name, _, value = text.partition("=")
        if name in vector:
            raise InvalidValue(f"--condition gives {name} twice")
        try:
            vector[name] = float(value)
        except ValueError as error:
            raise InvalidValue(f"--condition takes NAME=NUMBER, not '{text}'") from error
    return vector


def _lay_out(
    classes: tuple[str, ...] | None,
    label: str | None,
    labels: str | None,
    count: int | None,
    rows: int | None,
) -> tuple[list[int | str] | None, int, int]:
    """Return the label of each image, how many there are, and how many in a row of the grid.

    Raises:
        InvalidValue: options that contradict each other or the model.
    """
    if label is not None and labels is not None:
        raise InvalidValue("give --label or --labels, not both")
    if classes is None and (label is not None or labels is not None or rows is not None):
        raise InvalidValue(
            "this model was trained without a condition: it takes -n, but no --label, --labels "
            "or --rows"
        )
    if classes is None or label is not None:
        if rows is not None:
            raise InvalidValue("--rows goes with --labels; with --label say how many: -n N")
        total = count or COUNT
        return None if label is None else [label] * total, total, math.ceil(math.sqrt(total))
    if count is not None:
        if labels is not None or rows is not None:
            raise InvalidValue("-n goes with --label; with --labels say how many of each: --rows N")
        return None, count, min(count, len(classes))
    wanted = (
        list(classes)
        if labels in (None, "all")
        else [part.strip() for part in (labels or "").split(",")]
    )
    total = (rows or ROWS) * len(wanted)
    return [wanted[index % len(wanted)] for index in range(total)], total, len(wanted)
