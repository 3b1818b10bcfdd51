"""What the commands that make pictures share: their options, and how a picture is shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from gtk.cli.console import make_console, print_json
from gtk.cli.options import (
    Decorator,
    average_option,
    checkpoint_option,
    json_option,
    number_option,
    out_option,
    overwrite_option,
    runs_option,
    seed_option,
)
from gtk.cli.sampler_options import PREFIX, sampler_option, sampler_values
from gtk.cli.terminal_display import TerminalDisplay
from gtk.core.models.source import Source
from gtk.core.storage.run_source import RunSource
from gtk.core.values.errors import InvalidValue
from gtk.core.values.output import check_output_file
from gtk.exports.file_source import FileSource, check_file_options, is_exported

SEED_HELP = "Decides the noise; the same seed gives the same file."


@dataclass(frozen=True)
class Layout:
    """Images row by row, and the names of the rows and columns.

    Attributes:
        images: (N, H, W) if grey, (N, H, W, 3) in colour, uint8.
        columns: images in a row.
        column_names: one for each column, or empty.
        row_names: one for each row, or empty.
        column_title: stands above the columns' names.
        row_title: stands beside the rows' names.
    """

    images: NDArray[np.uint8]
    columns: int
    column_names: Sequence[str] = ()
    row_names: Sequence[str] = ()
    column_title: str = ""
    row_title: str = ""

    def draw(self, scale: int | None, *, labels: bool) -> NDArray[np.uint8]:
        """Return the picture's pixels, with names around the grid or the bare grid."""
        from gtk.pictures.grid import image_grid
        from gtk.pictures.labels import labelled_grid

        if not labels:
            return image_grid(self.images, self.columns, scale)
        return labelled_grid(**vars(self), scale=scale)


@dataclass(frozen=True)
class PictureOptions:
    """The options that every command for pictures has, as they were given: see their help."""

    out: Path | None
    seed: int | None
    checkpoint: str | None
    average: float | None
    device: str | None
    scale: int | None
    no_preview: bool
    no_labels: bool
    overwrite: bool
    runs: Path
    as_json: bool = False
    sampler: str | None = None
    sampler_options: Mapping[str, Any] = field(default_factory=dict)

    def check(self, *suffixes: str) -> None:
        """Refuse a picture that nobody would see, or a file without one of these suffixes.

        Raises:
            UserError: there is neither a file nor a terminal, or the file cannot be written.
        """
        if self.out is None and not self.preview:
            raise InvalidValue(
                f"the picture needs a file or a terminal to go to. Give --out FILE{suffixes[0]}"
            )
        if self.out is not None:
            ending = self.out.suffix.lower()
            suffix = ending if ending in suffixes else " or ".join(suffixes)
            check_output_file(self.out, suffix, overwrite=self.overwrite)

    def open(self, reference: str, *, codes: bool = False) -> Source:
        """Open an exported file, without torch, or a run.

        Args:
            reference: the file or the run.
            codes: whether the noise of a run has to be its model's latent code: a sampler that
                learns, unless it is named, is replaced by the model's own.

        Raises:
            GtkError: it does not exist, or does not take one of the options.
        """
        if not is_exported(reference):
            return self.open_run(reference, codes=codes)
        check_file_options(reference, checkpoint=self.checkpoint, average=self.average)
        source = FileSource(reference, self.device, self.sampler, self.sampler_options)
        source.display = TerminalDisplay()
        return source

    def open_run(self, reference: str, lacking: str = "", *, codes: bool = False) -> RunSource:
        """Open a run.

        Raises:
            InvalidValue: it is an exported file, which is `lacking` something.
        """
        from gtk.core.storage.runs import find_run

        if is_exported(reference):
            raise InvalidValue(f"{reference} is an exported file, which has {lacking}: name a run")
        run = find_run(reference, self.runs)
        sampler = run.settings.sampler_choice(self.sampler, self.sampler_options)
        if codes and self.sampler is None and not self.sampler_options:
            from gtk.core.storage.fitted_sampler import choice_in_training

            sampler = choice_in_training(run.settings, {}, last=False)
        source = RunSource(reference, run, self.checkpoint, self.device, self.average, sampler)
        source.display = TerminalDisplay()
        return source

    @property
    def preview(self) -> bool:
        """Whether the picture is shown in the terminal."""
        return make_console().is_terminal and not self.no_preview and not self.as_json

    def show(self, layout: Layout, summary: str, facts: Mapping[str, Any]) -> None:
        """Show the picture in the terminal, write it, and say what it holds.

        Args:
            layout: the picture.
            summary: what it holds, for people.
            facts: what it was made with, for programs; they go into the file, too.

        Raises:
            UserError: the picture is too large, or cannot be written.
        """
        from gtk.pictures.grid import write_png
        from gtk.pictures.picture_text import picture_text

        self.show_in_terminal(layout)
        if self.out is not None:
            pixels = layout.draw(self.scale, labels=not self.no_labels)
            write_png(pixels, self.out, text=picture_text(facts))
        self.say(summary, facts)

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

    def say(self, summary: str, facts: Mapping[str, Any]) -> None:
        """Print what the picture holds, and the file if there is one; with --json all facts."""
        if self.as_json:
            print_json({"file": str(self.out), "summary": summary, **facts})
            return
        make_console().print(summary if self.out is None else f"{self.out}: {summary}")


#: The fields of `PictureOptions`, each an option of that name.
SHARED = fields(PictureOptions)


def picture_options(
    *,
    seed: int | None = 0,
    seed_help: str = SEED_HELP,
    out: str = "FILE.png",
    draws: bool = True,
) -> Decorator:
    """Return a decorator that adds the options of `PictureOptions`, handed over as `picture`.

    A command that `draws` is a `DrawingCommand`.
    """
    options: list[Callable[[Any], Any]] = [
        seed_option(seed_help, seed),
        out_option(out),
        checkpoint_option,
        average_option,
        click.option("--device", help="Where it works: auto, cpu, cuda, cuda:1.  [default: cpu]"),
        number_option("--scale", text="Width of a pixel; by default wide enough to see.", high=64),
        click.option("--no-preview", is_flag=True, help="Do not show the picture in the terminal."),
        click.option(
            "--no-labels", is_flag=True, help="Draw the images alone, without names around them."
        ),
        overwrite_option,
        json_option("Print one JSON object, for programs: the file, and what it was made with."),
        runs_option,
        *([sampler_option] if draws else []),
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def gathered(**given: Any) -> None:  # noqa: ANN401 - each command has options of its own
            own = {name: given.pop(name) for name in [*given] if name.startswith(PREFIX)}
            shared = {item.name: given.pop(item.name) for item in SHARED if item.name in given}
            options = PictureOptions(**shared, sampler_options=sampler_values(own))
            command(picture=options, **given)

        for option in reversed(options):
            gathered = option(gathered)
        return gathered

    return decorate


def percentages(steps: int) -> list[str]:
    """Return the names of columns between two ends: "0%", ..., "100%"."""
    return [f"{step / (steps - 1):.0%}" for step in range(steps)]
