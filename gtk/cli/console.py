"""Where commands print: results on standard output, in plain text where it is not a terminal."""

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
