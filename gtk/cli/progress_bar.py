"""The progress of long work: decoding images before a training, or drawing."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gtk.core.values.number_text import format_about
from gtk.core.values.text import visible
from gtk.core.values.tracking import Listener, heard_by

if TYPE_CHECKING:
    from rich.console import Console

#: Seconds of a draw for which nobody needs to be told how long it takes.
SHORT = 2.0


@contextmanager
def work_shown() -> Iterator[None]:
    """Show a progress bar on standard error for what is tracked inside, if that is a terminal."""
    with _bar(_errors()) as hear, heard_by(hear):
        yield


@contextmanager
def drawing_shown(what: str, draws: int) -> Iterator[None]:
    """Say on standard error how long `draws` tracked draws take together, if it is long.

    A terminal has a progress bar from there on.
    """
    console = _errors()
    with _bar(console) as hear, heard_by(DrawingTime(console, what, draws, hear)):
        yield


class DrawingTime:
    """Says how long drawing will take, once two steps or batches were measured.

    Args:
        console: where to say it.
        what: what is drawn, and how.
        draws: how many draws there are, all alike.
        bar: is told what is done of a draw that takes long.
        clock: returns seconds.
    """

    def __init__(
        self,
        console: "Console",
        what: str,
        draws: int,
        bar: Listener,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._console, self._what, self._draws = console, what, draws
        self._bar, self._clock = bar, clock
        self._finished = 0  # steps of the draws before this one
        self._times: list[float] = []
        self._long = False

    def __call__(self, what: str, done: int, total: int) -> None:
        """Hear that `done` of `total` steps of a draw are done; before the first it is 0."""
        all_done, all_steps = self._finished + done, self._draws * total
        if done == total:
            self._finished += total
        measured = min(2, all_steps - 1)
        if len(self._times) <= measured and all_done == len(self._times):
            self._times.append(self._clock())
            if all_done == measured > 0:
                self._tell(all_steps)
        if self._long:
            self._bar(what, all_done, all_steps)

    def _tell(self, steps: int) -> None:
        """Say how long all steps take, if that is long. The first alone may be a slow one."""
        begun, first = self._times[:2]
        seconds = first - begun + (steps - 1) * (self._times[-1] - self._times[-2])
        self._long = seconds > SHORT
        if self._long:
            self._console.print(f"{self._what}: {format_about(seconds)}", soft_wrap=True)


def _errors() -> "Console":
    from gtk.pictures.console import SafeConsole

    return SafeConsole(stderr=True)


@contextmanager
def _bar(console: "Console") -> Iterator[Listener]:
    """Yield what shows a progress bar for all that it is told, if the console is a terminal."""
    if not console.is_terminal:
        yield lambda *_: None
        return
    from rich import progress

    bar = progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(bar_width=None),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    tasks: dict[str, progress.TaskID] = {}

    def hear(what: str, done: int, total: int) -> None:
        if what not in tasks:
            bar.start()
            tasks[what] = bar.add_task(visible(what), total=total)
        bar.update(tasks[what], completed=done, total=total)

    try:
        yield hear
    finally:
        if tasks:  # stop() ends a line, which only start() begins
            bar.stop()
