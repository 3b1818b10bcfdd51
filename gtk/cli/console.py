"""Where commands print: results on standard output, in plain text where it is not a terminal."""

from textwrap import wrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what prints nothing through it, such as --help, starts faster without
    from rich.console import Console


def make_console() -> "Console":
    """Return a console that breaks no path over lines, and takes no text for markup."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 500  # a table that is piped or filed has all of its columns
    return console


def print_wrapped(console: "Console", text: str, title: str = "") -> None:
    """Print a text in the lines of the console, each but the first indented below the first.

    Args:
        console: where.
        text: of which no word is broken, so that paths are whole.
        title: stands before it.
    """
    first = f"{title:<11} " if title else ""
    lines = wrap(
        text,
        console.width,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in lines:
        console.print(line)
