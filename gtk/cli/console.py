"""The console: results on standard output, as plain text where it is not a terminal."""

from collections.abc import Iterable, Sequence
from os import isatty
from shutil import get_terminal_size
from textwrap import wrap
from typing import TYPE_CHECKING

from click import echo

from gtk.core.values.text import visible

if TYPE_CHECKING:  # commands that print nothing through it, such as --help, start faster without
    from rich.console import Console


def make_console() -> "Console":
    """Return a console that breaks no path over lines and prints markup as it stands."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 500  # a table that is piped or filed has all of its columns
    return console


def print_columns(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a listing in aligned columns, which `grep`, `cut` and `awk` read, too.

    It is not a rich table, whose import takes longer than the listing. On a terminal the last
    column is wrapped in its own width.
    """
    table = [[visible(cell) for cell in row] for row in (titles, *rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)][:-1]
    indent = sum(widths) + 2 * len(widths)
    space = get_terminal_size().columns - indent if isatty(1) else 500
    for row in table:
        first = "".join(f"{cell:<{width}}  " for cell, width in zip(row, widths, strict=False))
        lines = wrap(row[-1], max(space, 20)) or [""]
        echo(first + f"\n{' ' * indent}".join(lines))


def print_titled(console: "Console", lines: Iterable[tuple[str, str]]) -> None:
    """Print texts behind their titles, wrapped below themselves.

    No word is broken, so that paths stay whole; characters that a terminal acts on are escaped.
    """
    for title, text in lines:
        first = f"{title:<11} " if title else ""
        wrapped = wrap(
            visible(text),
            console.width,
            initial_indent=first,
            subsequent_indent=" " * len(first),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in wrapped:
            console.print(line)
