"""The progress of a training as plain lines, where nothing can be redrawn."""

from collections.abc import Callable

from rich.console import Console

from gtk.core.storage.run import Run
from gtk.core.training.progress import Progress
from gtk.core.values.number_text import format_number, format_seconds
from gtk.core.values.text import visible
from gtk.plugins.callbacks.pace import Pace

#: Lines of a short training.
LINES = 10
#: The longest time without a line, in seconds.
SILENCE = 60.0


class PlainLines:
    """Prints a line after every tenth of the training, and about once a minute in between.

    Args:
        console: where to print; every line is flushed at once.
        clock: returns seconds.
    """

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._pace = Pace(clock)
        self._tenths = 0
        self._printed = 0.0

    def start(self, run: Run, progress: Progress) -> None:
        """Start counting."""
        self._pace.note(progress)
        self._tenths = progress.step * LINES // progress.total_steps
        self._printed = self._clock()

    def step(self, progress: Progress) -> None:
        """Print a line if one is due."""
        self._pace.note(progress)
        tenths = progress.step * LINES // progress.total_steps
        if tenths > self._tenths or self._clock() - self._printed >= SILENCE:
            self._tenths, self._printed = tenths, self._clock()
            self._console.print(self._line(progress), soft_wrap=True)

    def end(self) -> None:
        """Do nothing: every line is complete."""

    def _line(self, progress: Progress) -> str:
        parts = [
            f"epoch {progress.epoch}/{progress.epochs}",
            f"step {progress.step}/{progress.total_steps}",
            f"{progress.step * 100 // progress.total_steps}%",
        ]
        if self._pace.left is not None:
            parts.append(f"{format_seconds(self._pace.left)} left")
        parts.append(f"{progress.images_per_second:,.0f} images/s")
        parts += [f"{visible(name)} {format_number(v)}" for name, v in progress.terms.items()]
        return "  ".join(parts)
