"""`gtk report`: a run on one page."""

from pathlib import Path

import click

from gtk.cli.console import make_console
from gtk.cli.options import out_option, overwrite_option, run_argument, runs_option
from gtk.core.storage.run import Run
from gtk.core.storage.runs import find_run
from gtk.core.values.errors import GtkError
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
    make_console().print(write_report(found, network_sizes(found), out))


def network_sizes(run: Run) -> dict[str, int]:
    """Return the parameters of each network; empty where the model cannot be built here."""
    try:
        from gtk.core.models.build import build
        from gtk.core.models.summary import parameter_count

        model, _ = build(run.settings, run.data_spec)
    except (ImportError, GtkError):  # without torch or the plugin the page leaves them out
        return {}
    return {name: parameter_count(item) for name, item in model.networks().items()}
