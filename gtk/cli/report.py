"""`gtk report`: a run on one page."""

from pathlib import Path

import click

from gtk.cli.console import make_console
from gtk.cli.options import out_option, overwrite_option, run_argument, runs_option
from gtk.core.storage.runs import find_run
from gtk.core.values.output import check_output_file


@click.command()
@run_argument()
@out_option("FILE.html", "The page to write; by default the run's own report.html, replaced.")
@overwrite_option
@runs_option
def report(*, run: str, out: Path | None, overwrite: bool, runs: Path) -> None:
    """Write a run's report, one page that opens anywhere.

    gtk report latest

    gtk report latest --out report.html
    """
    from gtk.pictures.report import write_report

    found = find_run(run, runs)
    if out is not None:
        check_output_file(out, ".html", overwrite=overwrite)
    make_console().print(write_report(found, out))
