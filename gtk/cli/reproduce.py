"""`gtk reproduce`: trains by a recipe, evaluates, and compares with its published figures."""

import time
from collections.abc import Sequence
from typing import Any

import click

from gtk.cli.console import print_columns, print_json, print_line
from gtk.cli.options import (
    USER_PATH,
    completer,
    json_option,
    number_option,
    recipe_names,
    runs_option,
)
from gtk.cli.progress_bar import work_shown
from gtk.cli.terminal_display import TerminalDisplay
from gtk.cli.train_summary import print_stopped
from gtk.core.registry.train_config import MOST_THREADS
from gtk.core.storage.evaluations import figure_cells
from gtk.core.storage.run import Run
from gtk.core.values.errors import WorkFailed
from gtk.core.values.figure import figure_text
from gtk.core.values.number_text import format_seconds
from gtk.reproduction import Reproduced, Reproduction

TITLES = ("figure", "published", "spread", "here", "95% interval", "better", "result")


@click.command()
@click.argument(
    "reference", metavar="RECIPE|FILE.toml", shell_complete=completer(recipe_names, files=True)
)
@click.option(
    "--name", metavar="NAME", help="The run becomes DIR/NAME.  [default: RECIPE-reproduced]"
)
@click.option(
    "--data-root",
    type=USER_PATH,
    metavar="DIR",
    help="A folder with the data set's files; else they are found or downloaded as by gtk train.",
)
@runs_option
@click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, ...  [default: auto]")
@number_option(
    "--threads",
    text="CPU threads of a new training; by default as many as are fastest.",
    high=MOST_THREADS,
)
@json_option("Print one JSON object, for programs: each figure, and whether it is met.")
def reproduce(*, as_json: bool, **given: Any) -> None:  # noqa: ANN401 - those of a Reproduction
    """Train by a recipe, and check its published figures.

    A figure is met if it is no worse than the published one by more than the spread that the recipe
    states. The exit code is 1 if one is not.

    The same command goes on with a training that was interrupted, and takes one that is finished.

    gtk reproduce flow-digits
    """
    start = time.perf_counter()
    work = Reproduction(**given)
    run = _train(work)
    with work_shown():
        found = work.evaluate(run, TerminalDisplay())
    missed = [it.published.term for it in found if not it.is_met]
    seconds = round(time.perf_counter() - start, 1)
    if as_json:
        print_json({**_document(work, run, found), "seconds": seconds})
    else:
        print_columns(TITLES, [_row(it) for it in found])
    recipe = work.recipe.name
    if missed:
        raise WorkFailed(
            f"{len(missed)} of {len(found)} published figures of {recipe!r} not met by {run.path}: "
            f"{', '.join(missed)}. To see how far seeds differ: gtk train --recipe "
            f"{work.reference} --seed 1 --name NAME, then gtk reproduce with the same --name"
        )
    if not as_json:
        print_line(
            f"{run.path} meets the published figures of {recipe}, "
            f"{work.published.samples:,} samples: {format_seconds(seconds)}"
        )


def _train(work: Reproduction) -> Run:
    """Return the finished run, trained now as far as it was not."""
    begun = work.begun_run()
    if begun is not None and begun.document.get("finished"):
        print_line(
            f"{begun.path} is finished, so it is only evaluated; another --name trains anew",
            err=True,
        )
        return begun
    if begun is not None:
        print_line(
            f"{begun.path} is not finished, so it is trained on; another --name trains anew",
            err=True,
        )
    training, fit = work.prepare_training(begun)
    try:
        return fit()
    except KeyboardInterrupt:
        print_stopped(training.run, "the same command again")
        raise


def _row(found: Reproduced) -> Sequence[str]:
    """Return the cells of a figure."""
    published, table = found.published, found.table

    def text(value: float) -> str:
        return figure_text(value, share=table["share"])

    value, interval = figure_cells(table)
    result = "met" if found.is_met else "not met"
    return (
        published.term, text(published.value), text(published.spread), value, interval,
        table["better"], result,
    )  # fmt: skip


def _document(work: Reproduction, run: Run, found: Sequence[Reproduced]) -> dict[str, Any]:
    """Return what programs read."""
    return {
        "recipe": work.recipe.name,
        "run": str(run.path),
        "samples": work.published.samples,
        "met": all(it.is_met for it in found),
        "figures": [
            {
                "figure": it.published.term,
                "published": it.published.value,
                "spread": it.published.spread,
                **it.table,
                "met": it.is_met,
            }
            for it in found
        ],
    }
