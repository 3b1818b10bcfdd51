"""Show how a training comes along: a live bar in a terminal or notebook, lines elsewhere."""

import time
from importlib.util import find_spec
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress as Bar,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from gtk.core.hooks import hookimpl
from gtk.core.progress import Progress
from gtk.core.run import Run

#: Seconds between two drawings: drawing takes milliseconds, a small network's step less than one.
REDRAW = 0.2
#: Lines that a training prints where no bar can be drawn.
LINES = 10


class ProgressDisplay:
    """Shows epoch, step, speed, time left and the loss's terms.

    Args:
        console: where to show them; standard error unless told otherwise, as results go to
            standard output.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, markup=False)
        # In a notebook rich draws over what it drew before only through ipywidgets.
        self._live = self._console.is_terminal or (
            self._console.is_jupyter and find_spec("ipywidgets") is not None
        )
        self._bar = Bar(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=24),
            TextColumn("step {task.completed}/{task.total}"),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TextColumn("<"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[terms]}", markup=False),
            console=self._console,
            auto_refresh=False,
        )
        self._task = TaskID(0)
        self._drawn = 0.0
        self._printed = 0

    @hookimpl
    def gtk_train_start(self, run: Run, progress: Progress) -> None:
        """Begin the display at the step where the training begins or goes on."""
        verb = "Resuming" if progress.step else "Training"
        self._console.print(f"{verb}: {run.path}", highlight=False, soft_wrap=True)
        self._task = self._bar.add_task(
            "", total=progress.total_steps, completed=progress.step, **self._fields(progress)
        )
        self._printed = progress.step * LINES // progress.total_steps
        if self._live:
            self._bar.start()

    @hookimpl
    def gtk_step_end(self, progress: Progress) -> None:
        """Move the bar, or print a line after every tenth of the way."""
        if self._live:
            finished = progress.step == progress.total_steps
            self._bar.update(self._task, completed=progress.step, **self._fields(progress))
            if finished or time.monotonic() - self._drawn > REDRAW:
                self._bar.refresh()
                self._drawn = time.monotonic()
            return
        tenth = progress.step * LINES // progress.total_steps
        if tenth > self._printed:
            self._printed = tenth
            fields = self._fields(progress)
            self._console.print(
                f"epoch {fields['epoch']}  step {progress.step}/{progress.total_steps}  "
                f"{fields['speed']}  {fields['terms']}",
                highlight=False,
                soft_wrap=True,
            )

    @hookimpl
    def gtk_train_end(self, progress: Progress) -> None:
        """Leave the last state of the bar standing, and say why there is no more of it."""
        if self._live:
            self._bar.stop()
        if progress.stopped:
            self._console.print(progress.stopped, highlight=False, soft_wrap=True)

    @staticmethod
    def _fields(progress: Progress) -> dict[str, Any]:
        terms = "  ".join(f"{name} {value:.2f}" for name, value in progress.terms.items())
        speed = f"{progress.images_per_second:,.0f} images/s" if progress.images_per_second else ""
        return {"epoch": f"{progress.epoch}/{progress.epochs}", "speed": speed, "terms": terms}
