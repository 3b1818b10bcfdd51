"""The console: results on standard output, as plain text where it is not a terminal."""

from collections.abc import Iterable
from textwrap import wrap
from typing import TYPE_CHECKING

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
