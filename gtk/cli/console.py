"""What commands print, the only way to standard output: text from files and paths is escaped."""

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from shutil import get_terminal_size
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from gtk.core.values.text import visible

if TYPE_CHECKING:  # commands that print nothing through it, such as --help, start faster without
    from rich.console import Console


def make_console() -> "Console":
    """Return a console that breaks no path over lines and prints strings as they are written."""
    from gtk.pictures.console import SafeConsole

    console = SafeConsole(soft_wrap=True)
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
    space = get_terminal_size().columns - indent if os.isatty(1) else 500
    for row in table:
        first = "".join(f"{cell:<{width}}  " for cell, width in zip(row, widths, strict=False))
        lines = wrap(row[-1], max(space, 20)) or [""]
        _write(first + f"\n{' ' * indent}".join(lines) + "\n")


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


def print_line(text: object = "", *, err: bool = False) -> None:
    """Print one line, without rich."""
    _write(f"{visible(text)}\n", err=err)


def print_text(text: str) -> None:
    """Print a text of several lines as it stands, such as a recipe."""
    _write(visible_lines(text))


def print_json(document: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Print an object in one line of ASCII, which holds nothing that a terminal acts on.

    Raises:
        ValueError: it has a number that JSON cannot write.
    """
    import json  # --help starts faster without

    _write(f"{json.dumps(document, allow_nan=False)}\n")


def visible_lines(text: str) -> str:
    """Return a text of several lines with what a terminal acts on escaped."""
    return "\n".join(map(visible, text.split("\n")))


def _write(text: str, *, err: bool = False) -> None:
    # Not click.echo, which writes UTF-8 where a stream is ASCII.
    stream = sys.stderr if err else sys.stdout
    stream.write(text)
    stream.flush()


def prepare_streams() -> None:
    """Let writing to standard output and error never fail for want of a letter or a stream.

    What the encoding lacks is escaped, as cp1252 lacks most letters. A stream that a shell has
    closed leads nowhere: else the next file to be opened would take its number, and what a library
    prints would go into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
        elif hasattr(stream, "reconfigure"):
            with suppress(OSError):  # of a file that was exchanged for a terminal after the start
                stream.reconfigure(errors="backslashreplace")
