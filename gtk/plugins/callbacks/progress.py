"""The progress of a training: drawn live in a terminal or notebook, as lines elsewhere."""

import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from rich.console import Console

from gtk.core.registry.hooks import hookimpl
from gtk.core.storage.run import Run
from gtk.core.training.progress import Progress
from gtk.core.values.number_text import format_about
from gtk.core.values.text import counted, visible
from gtk.pictures.console import SafeConsole
from gtk.plugins.callbacks.plain import PlainLines
from gtk.plugins.callbacks.screen import Screen
from gtk.plugins.callbacks.work import WorkDisplay


class ProgressDisplay:
    """Shows the work before a training, and then epoch, step, speed, time left and terms.

    Args:
        console: where to show them; by default standard error, since results go to standard output.
        clock: returns seconds.
    """

    def __init__(
        self, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console or SafeConsole(stderr=True)
        # A console that cannot move its cursor or draw bars and arrows gets plain lines.
        terminal = (
            self._console.is_terminal
            and not self._console.is_dumb_terminal
            and not self._console.options.ascii_only
        )
        # In a notebook rich redraws only through ipywidgets.
        notebook = self._console.is_jupyter and find_spec("ipywidgets") is not None
        self._work = WorkDisplay(self._console, clock, live=terminal)
        self._display: Screen | PlainLines = (
            Screen(self._console, clock)
            if terminal or notebook
            else PlainLines(self._console, clock)
        )

    @hookimpl
    def gtk_work(self, what: str, done: int, total: int) -> None:
        """Show the progress of reading the data."""
        self._work.tell(what, done, total)

    @hookimpl
    def gtk_note(self, note: str) -> None:
        """Print a note about the data."""
        self._console.print(visible(f"note: {note}"), soft_wrap=True)

    @hookimpl
    def gtk_train_start(self, run: Run, progress: Progress) -> None:
        """Start the display."""
        verb = "Resuming" if progress.step else "Training"
        seconds = progress.epoch_seconds
        time = f"; an epoch takes {format_about(seconds)}" if seconds else ""
        line = f"{verb}: {run.path} ({arithmetic(run.document)}{time})"
        self._console.print(visible(line), soft_wrap=True)
        self._display.start(run, progress)

    @hookimpl
    def gtk_step_end(self, progress: Progress) -> None:
        """Show a report."""
        try:
            self._display.step(progress)
        except Exception:
            # gtk now drops this callback, which would leave the terminal without a cursor.
            self._display.end()
            raise

    @hookimpl
    def gtk_train_end(self, progress: Progress) -> None:
        """Leave the last state on the screen, and print the reason of an early stop."""
        self._display.end()
        if progress.stopped:
            self._console.print(visible(progress.stopped), soft_wrap=True)


def arithmetic(document: Mapping[str, Any]) -> str:
    """Return how a run computes, and if a trial chose it, the speed there and the simplest's."""
    chosen = _named({**document["train"], "threads": document["threads"]})
    rates = {_named(row): f"{row['images_per_second']:,.0f}" for row in document.get("trial", [])}
    if chosen not in rates:
        return chosen
    simplest = next(iter(rates))
    others = "" if simplest == chosen else f"; {simplest}: {rates[simplest]}"
    return f"{chosen}: {rates[chosen]} images/s{others}"


def _named(row: Mapping[str, Any]) -> str:
    threads = counted(row["threads"], "thread")
    return f"{row['precision']}, {row['memory_format']}, {threads}"
