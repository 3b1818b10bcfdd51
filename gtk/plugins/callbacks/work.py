"""The progress of long work before a training: a bar in a terminal, lines elsewhere."""

from collections.abc import Callable

from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from gtk.core.values.number_text import format_seconds
from gtk.core.values.text import visible

#: Seconds before the first output, and between two plain lines.
PATIENCE = 1.0
#: Seconds between two drawings of the bar.
REDRAW = 0.2
#: Plain lines after the first.
LINES = 10
#: The fewest characters of a bar, and of a name beside the count.
BAR, NAME = 8, 8


class WorkDisplay:
    """Shows one task after the other.

    The bar is a whole line, which the next one overwrites: wherever the work ends, by Ctrl-C or an
    error, the terminal is in order, and the line shows the progress.

    Args:
        console: where to show it.
        clock: returns seconds.
        live: whether a line can be overwritten.
    """

    def __init__(self, console: Console, clock: Callable[[], float], *, live: bool) -> None:
        self._console = console
        self._clock = clock
        self._live = live
        self._what = ""
        self._begun = 0.0
        self._shown: float | None = None
        self._tenths = 0

    def tell(self, what: str, done: int, total: int) -> None:
        """Show how many of `total` items are done, if an update is due."""
        now = self._clock()
        if done == 0 or what != self._what:
            self._what, self._begun, self._shown, self._tenths = what, now, None, 0
        if now - self._begun < PATIENCE:
            return
        tenths = done * LINES // max(1, total)
        since = PATIENCE if self._shown is None else now - self._shown
        if self._live:
            due = since >= REDRAW or done == total
        else:
            due = self._shown is None or done == total
            due = due or (tenths > self._tenths and since >= PATIENCE)
        if due:
            self._print(done, total, now - self._begun)
            self._shown, self._tenths = now, tenths

    def _print(self, done: int, total: int, seconds: float) -> None:
        what, count = visible(self._what), f"  {done:,}/{total:,}"
        end = f"  in {format_seconds(seconds)}"
        if done < total:
            end = f"  {done * 100 // max(1, total)}%"
            if done:
                end += f"  {format_seconds(seconds / done * (total - done))} left"
        if not self._live:
            self._console.print(what + count + end, soft_wrap=True)
            return
        line = self._line(what, count, end, done / max(1, total))
        if self._shown is not None:
            self._console.control(
                Control((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2))
            )
        self._console.print(line, soft_wrap=True)

    def _line(self, what: str, count: str, end: str, share: float) -> Text:
        """Return one line, without the end of the name or the count if they do not fit."""
        width = self._console.width
        if width < cell_len(count + end) + NAME:
            count = ""
        line = Text(visible(what))
        line.truncate(max(1, width - cell_len(count + end)), overflow="ellipsis")
        line.append(count)
        room = min(40, width - cell_len(line.plain + end) - 2)
        if share < 1 and room >= BAR:
            line.append("  ").append_text(bar(room, share))
        return line.append(end)


def bar(width: int, share: float) -> Text:
    """Draw a bar of `width` characters, filled to a share; it also reads without colours."""
    done = round(width * min(1.0, max(0.0, share)))
    return Text().append("━" * done, "cyan").append("─" * (width - done), "bright_black")
