"""Text and tables of a page: whatever comes from data, files or the user is escaped here."""

import html
from collections.abc import Iterable, Sequence

from gtk.core.values.text import visible

#: Characters of a name that are shown; a class name in somebody's CSV may be a novel.
LONGEST = 120


def shortened(value: object, longest: int = LONGEST) -> str:
    """Return a visible text of at most so many characters."""
    text = visible(value)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def escaped(value: object) -> str:
    """Return a text that means itself between tags and in quoted attributes."""
    return html.escape(shortened(value, 2000), quote=True)


def isolated(value: object) -> str:
    """Return an element with a name, whose direction of writing leaves the text around it alone."""
    return f"<bdi>{html.escape(shortened(value))}</bdi>"


def table(
    head: Sequence[object] | None,
    rows: Iterable[Sequence[object]],
    *,
    label: str,
    numbers: int = 0,
) -> str:
    """Return a table in a box of its own to scroll in; the first cell of a row is its heading.

    Args:
        head: of the columns, None for no line of headings.
        rows: cells; None is an empty one.
        label: what it shows, for those who do not see it.
        numbers: how many of the last columns are numbers.
    """
    first = len(head or ()) - numbers if numbers else 1_000_000

    def cell(tag: str, column: int, value: object) -> str:
        kind = ' class="number"' if column >= first else ""
        return f"<{tag}{kind}>{'' if value is None else isolated(value)}</{tag.partition(' ')[0]}>"

    row_head = 'th scope="row"'
    top = "".join(cell('th scope="col"', at, name) for at, name in enumerate(head or ()))
    lines = "".join(
        f"<tr>{cell(row_head, 0, first_cell)}"
        f"{''.join(cell('td', at, value) for at, value in enumerate(others, start=1))}</tr>\n"
        for first_cell, *others in rows
    )
    heading = f"<thead><tr>{top}</tr></thead>\n" if head else ""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escaped(label)}">'
        f"<table>{heading}<tbody>\n{lines}</tbody></table></div>\n"
    )
