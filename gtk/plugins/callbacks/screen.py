"""The progress of a training in a terminal: a few lines, redrawn in place."""

from collections.abc import Callable

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from gtk.core.storage.run import Run
from gtk.core.training.progress import Progress
from gtk.core.values.number_text import format_number, format_seconds
from gtk.core.values.text import visible
from gtk.plugins.callbacks.pace import Pace
from gtk.plugins.callbacks.thumbnail import Thumbnail
from gtk.plugins.callbacks.trend import VALUES, Trend
from gtk.plugins.callbacks.work import bar

#: Seconds between two drawings: drawing takes milliseconds, a small network's step less than one.
REDRAW = 0.2
#: Seconds between two drawings with a picture: 70 kB, maybe over a slow line.
REDRAW_PICTURE = 0.5
#: The smallest terminal with room for a picture, in characters and lines.
WIDE, HIGH = 80, 30
#: The most lines of a picture, its caption included.
PICTURE = 23
#: Characters of a value, of a trend's longest word, and of the shortest bar and name.
VALUE, WORD, BAR, NAME = 10, 7, 8, 4
GAP = "  "


class Screen:
    """Shows epoch, step, a bar, speed, times, learning rate, terms, and the newest samples.

    Lines fit the terminal's width: the least important items are left out first.

    Args:
        console: a terminal or a notebook.
        clock: seconds, from any moment on.
    """

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pace = Pace(clock)
        self._trends: dict[str, Trend] = {}
        self._next = clock() + REDRAW
        self._progress: Progress | None = None
        self._thumbnail: Thumbnail | None = None
        self._live = Live(self, console=console, auto_refresh=False, vertical_overflow="crop")

    def start(self, run: Run, progress: Progress) -> None:
        """Start the display."""
        self._progress = progress
        self._thumbnail = Thumbnail(run)
        self._pace.note(progress)
        self._live.start(refresh=True)

    def step(self, progress: Progress) -> None:
        """Take a report, and draw unless the last drawing is too recent."""
        self._progress = progress
        self._pace.note(progress)
        for name, value in progress.terms.items():
            self._trends.setdefault(name, Trend()).note(value)
        if self._clock() >= self._next:
            self._next = self._clock() + REDRAW
            self._live.refresh()

    def end(self) -> None:
        """Leave the last state on the screen, and the cursor on a free line below it."""
        self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the items that fit into the terminal now."""
        width, height = options.max_width, console.size.height
        if self._progress is None or self._thumbnail is None:
            return
        figures = _flow(self._figures(self._progress), width)
        head = [*self._head(self._progress, width), *figures]
        # The last line stays free: a terminal scrolls when it is written to.
        lines = [*head, *self._terms(width, height - len(head) - 1)][: height - 1]
        for line in lines:
            line.truncate(width, overflow="ellipsis")
            yield from line.render(console)
            yield Segment.line()
        if width >= WIDE and height >= HIGH:
            room = min(PICTURE, height - len(lines) - 2)
            for drawn in self._thumbnail.lines(console, width, room):
                self._next = self._clock() + REDRAW_PICTURE
                yield from drawn
                yield Segment.line()

    def _head(self, progress: Progress, width: int) -> list[Text]:
        """Return epoch, share and step, with a bar if there is room for one."""
        share = progress.step / progress.total_steps
        before = f"epoch {progress.epoch}/{progress.epochs}"
        after = f"{int(share * 100):>3}%  step {progress.step}/{progress.total_steps}"
        room = min(40, width - len(before) - len(after) - 2 * len(GAP))
        if room < BAR:
            return _flow([before, after.strip()], width)
        return [Text(visible(before + GAP)).append_text(bar(room, share)).append(GAP + after)]

    def _figures(self, progress: Progress) -> list[str]:
        figures = [f"{format_seconds(self._pace.elapsed)} spent"]
        if self._pace.left is not None:
            figures.append(f"{format_seconds(self._pace.left)} left")
        if progress.images_per_second:
            figures.append(f"{progress.images_per_second:,.0f} images/s")
        return [*figures, f"learning rate {progress.learning_rate:.3g}"]

    def _terms(self, width: int, height: int) -> list[Text]:
        """Return a line for each term; if they are too many, the last line counts the rest."""
        names = list(self._trends)
        if len(names) > height:
            names = names[: max(0, height - 1)]
        if not names:
            return []
        # Value and arrow take precedence over a name, a name over the word and the drawn values.
        room = width - VALUE - 3 * len(GAP)
        longest = max(cell_len(visible(name)) for name in names)
        column = min(longest, max(NAME, room))
        room -= column
        lines = [_term(name, self._trends[name], column, room) for name in names]
        left_out = len(self._trends) - len(names)
        if left_out:
            lines.append(Text(visible(f"and {left_out} terms more")))
        return lines


def _term(name: str, trend: Trend, column: int, room: int) -> Text:
    """Return a term's name, value and arrow, and its word and last values if there is room."""
    line = Text(visible(name))
    line.truncate(column, overflow="ellipsis", pad=True)
    arrow, word = trend.direction()
    style = {"falling": "green", "rising": "yellow"}.get(word, "")
    line.append(f"{GAP}{format_number(trend.value):>{VALUE}}{GAP}").append(arrow or " ", style)
    room -= 1 + WORD
    if room >= 0:
        line.append(f" {word:<{WORD}}", style)
    values = min(VALUES, room - len(GAP))
    if values >= BAR:
        line.append(GAP + trend.line(values), "cyan")
    return line


def _flow(parts: list[str], width: int) -> list[Text]:
    """Put parts beside each other, on as many lines as they need."""
    lines = [parts[0]]
    for part in parts[1:]:
        if cell_len(lines[-1] + GAP + part) <= width:
            lines[-1] += GAP + part
        else:
            lines.append(part)
    return [Text(visible(line)) for line in lines]
