"""`gtk compare`: the settings and results in which runs differ."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gtk.cli.console import make_console
from gtk.cli.options import out_option, overwrite_option, run_argument, runs_option, seed_option
from gtk.core.storage.comparison import (
    Compared,
    caveats,
    compared,
    differing_settings,
)
from gtk.core.storage.run_order import ordered
from gtk.core.storage.runs import find_run
from gtk.core.values.dataset import spread
from gtk.core.values.errors import GtkError, InvalidValue
from gtk.core.values.output import check_output_file, write_file
from gtk.core.values.text import visible

if TYPE_CHECKING:
    from rich.console import Console

    from gtk.pictures.comparison import Drawn

#: Runs at once: as many as there are colours to tell them apart.
MOST = 8
#: Images in a grid of samples; of more conditions, evenly chosen ones.
ROWS, COLUMNS = 5, 10


@click.command()
@run_argument("references", "RUN RUN...", nargs=-1)
@click.option(
    "--sort",
    metavar="METRIC.FIGURE",
    help="Order the runs by a figure of gtk evaluate, the best first, as in "
    "frechet-distance.distance; or by a term of the loss, such as loss, the lowest first.",
)
@out_option("FILE.html", "Also write a page, with curves and samples.")
@seed_option("Decides the page's samples; each run's are drawn with the same seed.")
@overwrite_option
@runs_option
def compare(
    *,
    references: tuple[str, ...],
    sort: str | None,
    out: Path | None,
    seed: int,
    overwrite: bool,
    runs: Path,
) -> None:
    """Show how runs differ: settings, last figures, curves, samples.

    The terminal shows settings, figures and costs; --out FILE.html writes a page that has the rest,
    too.

    gtk compare first second

    gtk compare first second third --sort frechet-distance.distance

    gtk compare first second --out compare.html
    """
    if not 2 <= len(references) <= MOST:
        raise InvalidValue(f"name 2 to {MOST} runs, not {len(references)}. List them: gtk runs")
    if out is not None:
        check_output_file(out, ".html", overwrite=overwrite)
    items = compared([find_run(reference, runs) for reference in references])
    items, order = ordered(items, sort) if sort is not None else (items, "")
    console = make_console()
    print_comparison(items, console, order)
    if out is not None:
        from gtk.pictures.comparison import comparison

        page = comparison(items, [draw(item, seed) for item in items], seed, order)
        write_file(out, page.encode())
        console.print(out)


def print_comparison(items: Sequence[Compared], console: "Console", order: str = "") -> None:
    """Print the order of the runs, if any, the settings that differ, figures and costs."""
    from gtk.pictures.comparison import figure_rows, figure_text, term_title
    from gtk.pictures.setup import setting_text

    settings = [(row.name, [*map(setting_text, row.values)]) for row in differing_settings(items)]
    figures = [(term_title(row), [*map(figure_text, row.values)]) for row in figure_rows(items)]
    names = [item.name for item in items]
    if order:
        console.print(visible(order), soft_wrap=False)
    if settings:
        _print_rows(console, "setting", names, settings)
    else:
        console.print("All settings are the same.")
    if figures:
        _print_rows(console, "last figure", names, figures)
    for text in caveats(items):
        console.print(visible(text), soft_wrap=False)


def _print_rows(
    console: "Console", what: str, names: Sequence[str], rows: Sequence[tuple[str, list[str]]]
) -> None:
    """Print a table with a column for each run; where it is too wide, a line for each."""
    from rich.table import Table
    from rich.text import Text

    table = Table(what)
    for name in names:
        table.add_column(Text(visible(name)), justify="right")
    for name, values in rows:
        table.add_row(*(Text(visible(cell)) for cell in (name, *values)))
    natural = console.measure(table, options=console.options.update(width=10_000)).maximum
    if natural <= console.width:
        console.print(table)
        return
    widest = min(max(len(name) for name in names), 24)
    for name, values in rows:
        console.print(Text(visible(name)), soft_wrap=False)
        for run, value in zip(names, values, strict=True):
            line = Text(visible(f"  {run:<{widest}}  {value}"))
            console.print(line, soft_wrap=False, overflow="fold")


def draw(item: Compared, seed: int) -> "Drawn":
    """Draw samples of a run, or return the reason why it has none."""
    from gtk.pictures.comparison import Drawn

    try:
        condition = item.run.condition
        labels, names, columns = None, list[str](), COLUMNS
        if condition is not None:
            examples, known = condition.examples(), condition.example_names()
            chosen = spread(len(examples), COLUMNS)
            labels, names = [*examples[chosen]] * ROWS, [known[index] for index in chosen]
            columns = len(chosen)
        return Drawn(item.run.sample(labels, ROWS * columns, seed=seed), names, columns)
    except ImportError as error:
        return Drawn(None, reason=f"{error.name} is not installed here")
    except (GtkError, OSError) as error:
        return Drawn(None, reason=str(error))
