"""`gtk runs`: a list of runs, the latest first."""

import time
from pathlib import Path

import click

from gtk.cli.console import make_console
from gtk.cli.options import runs_option
from gtk.core.storage.replacement import settle
from gtk.core.storage.run import Run
from gtk.core.storage.runs import last_written, open_runs
from gtk.core.values.errors import UserError
from gtk.core.values.number_text import format_number


@click.command()
@runs_option
def runs(*, runs: Path) -> None:
    """List runs: plugin, data, epochs, last loss and age.

    A damaged run is listed with its fault.
    """
    from rich.table import Column, Table

    settle(runs)
    found, faults = open_runs(runs)
    console = make_console()
    if not (found or faults):
        console.print(f"{runs} has no runs. Make one: gtk train --plugin cvae")
        return
    figures = [Column(title, justify="right") for title in ("epochs", "last loss")]
    table = Table("run", "plugin", "data", *figures, "age")
    for run in found:
        table.add_row(*_row(run))
    if found:
        console.print(table)
    for name, fault in faults.items():
        console.print(f"{name} cannot be opened: {fault}")


def _row(run: Run) -> list[str]:
    document = run.document
    epoch, loss, split = 0, None, ""
    try:
        for line in run.metrics_file.lines():
            epoch = line["epoch"]
            if "loss" in line["terms"]:
                loss, split = line["terms"]["loss"], line["split"]
    except UserError as error:  # one damaged file must not hide the other runs
        epochs, figure = "-", str(error)
    else:
        epochs = f"{epoch}/{document['train']['epochs']}"
        figure = "-" if loss is None else f"{format_number(loss)} ({split})"
    written = age(time.time() - last_written(run))
    return [run.name, document["model"]["name"], run.data_spec.name, epochs, figure, written]


def age(seconds: float) -> str:
    """Return a duration in its largest unit: "3 min"."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"
