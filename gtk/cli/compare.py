"""`gtk compare`: how runs differ, and what came of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gtk.cli.console import make_console
from gtk.cli.options import RunReference, UserPath, runs_option
from gtk.core.storage.comparison import Compared, caveats, compared, differing_settings, final_terms
from gtk.core.storage.runs import find_run
from gtk.core.values.errors import GtkError, InvalidValue
from gtk.core.values.output import check_output_file, write_file
from gtk.core.values.text import visible

if TYPE_CHECKING:
    from rich.console import Console

    from gtk.pictures.comparison import Drawn

#: Runs at once: as many as there are colours to tell them apart.
MOST = 8
#: Images in a grid of samples; of more conditions some are chosen, evenly.
ROWS, COLUMNS = 5, 10


@click.command()
@click.argument("references", metavar="RUN RUN...", type=RunReference(), nargs=-1, required=True)
@click.option(
    "--out",
    type=UserPath(),
    metavar="FILE.html",
    help="Also write a page, with curves and samples.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of the page's samples, the same for all runs.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@runs_option
def compare(
    *, references: tuple[str, ...], out: Path | None, seed: int, overwrite: bool, runs: Path
) -> None:
    """Show how runs differ: settings, last figures, curves, samples.

    The terminal shows settings and figures; --out FILE.html writes a page that has the rest, too.

    gtk compare first second

    gtk compare first second --out compare.html
    """
    if not 2 <= len(references) <= MOST:
        raise InvalidValue(f"name 2 to {MOST} runs, not {len(references)}. List them: gtk runs")
    if out is not None:
        check_output_file(out, ".html", overwrite=overwrite)
    items = compared([find_run(reference, runs) for reference in references])
    console = make_console()
    print_comparison(items, console)
    if out is not None:
        from gtk.pictures.comparison import comparison

        page = comparison(items, [draw(item, seed) for item in items], seed)
        write_file(out, page.encode())
        console.print(out)


def print_comparison(items: Sequence[Compared], console: "Console") -> None:
    """Print the settings that differ and the last figures."""
    from gtk.pictures.comparison import figure_text, term_title
    from gtk.pictures.setup import setting_text

    settings = [
        (row.name, [setting_text(value) for value in row.values])
        for row in differing_settings(items)
    ]
    figures = [
        (term_title(row), [figure_text(value) for value in row.values])
        for row in final_terms(items)
    ]  # fmt: skip
    names = [item.name for item in items]
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
            line = Text(f"  {visible(run):<{widest}}  {visible(value)}")
            console.print(line, soft_wrap=False, overflow="fold")


def draw(item: Compared, seed: int) -> "Drawn":
    """Draw samples of a run, or say why there are none."""
    import numpy as np

    from gtk.pictures.comparison import Drawn

    try:
        condition = item.run.condition
        labels, heads, columns = None, list[str](), COLUMNS
        if condition is not None:
            examples, heads = condition.examples(), condition.example_names()
            columns = min(COLUMNS, len(examples))
            chosen = np.linspace(0, len(examples) - 1, columns).round().astype(np.int64)
            labels, heads = [*examples[chosen]] * ROWS, [heads[at] for at in chosen]
        return Drawn(item.run.sample(labels, ROWS * columns, seed=seed), heads, columns)
    except ImportError as error:
        return Drawn(None, reason=f"{error.name} is not installed here")
    except (GtkError, OSError) as error:
        return Drawn(None, reason=str(error))
