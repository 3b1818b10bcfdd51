"""What the commands that make pictures share: their options, and how a picture comes out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gtk.cli.console import make_console
from gtk.cli.options import UserPath, checkpoint_option, runs_option
from gtk.cli.source import RunSource, Source, is_exported, open_source
from gtk.core.values.errors import InvalidValue
from gtk.core.values.output import check_output_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEED_HELP = "Decides the noise; the same seed gives the same file."


@dataclass(frozen=True)
class Layout:
    """Images row by row, and what the rows and columns are called.

    Attributes:
        images: (N, H, W) if grey, (N, H, W, 3) in colour, uint8.
        columns: images in a row.
        column_names: one for each column, or none.
        row_names: one for each row, or none.
        column_title: what the columns' names are.
        row_title: what the rows' names are.
    """

    images: "NDArray[np.uint8]"
    columns: int
    column_names: Sequence[str] = ()
    row_names: Sequence[str] = ()
    column_title: str = ""
    row_title: str = ""

    def draw(self, scale: int | None, *, labels: bool) -> "NDArray[np.uint8]":
        """Return the picture's pixels, with names around the grid or the bare grid."""
        from gtk.pictures.grid import image_grid
        from gtk.pictures.labels import labelled_grid

        if not labels:
            return image_grid(self.images, self.columns, scale)
        return labelled_grid(
            self.images,
            self.columns,
            scale=scale,
            column_names=self.column_names,
            row_names=self.row_names,
            column_title=self.column_title,
            row_title=self.row_title,
        )


@dataclass(frozen=True)
class PictureOptions:
    """The options that every command for pictures has, as they were given.

    Attributes:
        out: the file to write.
        seed: of the noise.
        checkpoint: of a run.
        device: where a run or an exported file works.
        scale: width of a pixel.
        no_preview: whether nothing is shown in the terminal.
        no_labels: whether the grid is drawn without names.
        overwrite: whether a file is replaced.
        runs: the folder that holds the runs.
    """

    out: Path | None
    seed: int | None
    checkpoint: str | None
    device: str | None
    scale: int | None
    no_preview: bool
    no_labels: bool
    overwrite: bool
    runs: Path

    def check(self, *suffixes: str) -> None:
        """Refuse to work for nothing, before any work is done.

        Args:
            suffixes: what the file's name may end in.

        Raises:
            UserError: there is neither a file nor a terminal, or the file cannot be written.
        """
        if self.out is None and not self.preview:
            raise InvalidValue(f"say where the picture goes: --out FILE{suffixes[0]}")
        if self.out is not None:
            ending = self.out.suffix.lower()
            suffix = ending if ending in suffixes else " or ".join(suffixes)
            check_output_file(self.out, suffix, overwrite=self.overwrite)

    def open(self, reference: str) -> Source:
        """Open a run or an exported file."""
        return open_source(reference, self.runs, self.checkpoint, self.device)

    def open_run(self, reference: str, why: str) -> RunSource:
        """Open a run.

        Args:
            reference: what the user called it.
            why: what an exported file lacks.

        Raises:
            InvalidValue: it is an exported file.
        """
        from gtk.core.storage.runs import find_run

        if is_exported(reference):
            raise InvalidValue(f"{reference} is an exported file, which has {why}: name a run")
        return RunSource(reference, find_run(reference, self.runs), self.checkpoint, self.device)

    @property
    def preview(self) -> bool:
        """Whether the picture is shown in the terminal."""
        return make_console().is_terminal and not self.no_preview

    def show(self, layout: Layout, summary: str) -> None:
        """Show the picture in the terminal, write it, and say what it holds.

        Raises:
            UserError: the picture is too large, or cannot be written.
        """
        from gtk.pictures.grid import write_png

        self.show_in_terminal(layout)
        if self.out is not None:
            write_png(layout.draw(self.scale, labels=not self.no_labels), self.out)
        self.say(summary)

    def show_in_terminal(self, layout: Layout) -> None:
        """Show the picture in the terminal, if that is wanted."""
        if not self.preview:
            return
        from gtk.pictures.grid import GAP
        from gtk.pictures.preview import half_blocks, names_above

        console = make_console()
        grid = layout.draw(1, labels=False)
        if not self.no_labels:
            pitch = layout.images.shape[2] + GAP
            above = names_above(layout.column_names, pitch, grid.shape[1], console.width)
            console.print(above, end="")
        console.print(half_blocks(grid, console.width), end="")

    def say(self, summary: str) -> None:
        """Print what the picture holds, and the file if there is one."""
        from gtk.core.values.text import visible

        text = visible(summary)  # it may name a class, which can be anything
        make_console().print(text if self.out is None else f"{self.out}: {text}")


def picture_options(
    *, seed: int | None = 0, seed_help: str = SEED_HELP, out: str = "FILE.png"
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds the options of `PictureOptions`, handed over as `picture`.

    Args:
        seed: what --seed is by default.
        seed_help: what it decides.
        out: what the file is called in the help.
    """
    options: list[Callable[[Any], Any]] = [
        click.option(
            "--seed", type=click.IntRange(0), default=seed, show_default=True, help=seed_help
        ),
        click.option("--out", type=UserPath(), metavar=out, help="The file to write."),
        checkpoint_option,
        click.option("--device", help="Where it works: auto, cpu, cuda, cuda:1.  [default: cpu]"),
        click.option(
            "--scale",
            type=click.IntRange(1, 64),
            metavar="N",
            help="Width of a pixel; by default to be seen.",
        ),
        click.option("--no-preview", is_flag=True, help="Do not show the picture in the terminal."),
        click.option(
            "--no-labels", is_flag=True, help="Draw the images alone, without names around them."
        ),
        click.option("--overwrite", is_flag=True, help="Replace the file if it exists."),
        runs_option,
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def gathered(**given: Any) -> None:  # noqa: ANN401 - each command has options of its own
            shared = {field.name: given.pop(field.name) for field in fields(PictureOptions)}
            command(picture=PictureOptions(**shared), **given)

        for option in reversed(options):
            gathered = option(gathered)
        return gathered

    return decorate


def percentages(steps: int) -> list[str]:
    """Return what columns between two ends are called: "0%", ..., "100%"."""
    return [f"{step / (steps - 1):.0%}" for step in range(steps)]
