"""`gtk train --json`: what happens, one JSON object a line on standard output, for programs."""

import json
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import click

from gtk.core.registry.hooks import hookimpl
from gtk.core.registry.plugin_failure import plugin_failure
from gtk.core.storage.run import Run
from gtk.core.training.progress import Progress
from gtk.core.values.errors import GtkError
from gtk.plugins.callbacks.pace import Pace

#: Seconds between two lines about the same work: it may be told of every image.
WORK = 1.0


class JsonLines:
    """A callback that prints an object for every event, and what the command prints at its end.

    As a context manager it also prints the failure, or the interrupt, that leaves the block.

    Args:
        clock: seconds, from any moment on.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pace = Pace(clock)
        self._worked = 0.0
        self._last: Progress | None = None

    @hookimpl
    def gtk_work(self, what: str, done: int, total: int) -> None:
        """Print how far the data are: at both ends, and once a second in between."""
        now = self._clock()
        if done in (0, total) or now - self._worked >= WORK:
            self._worked = now
            _print("work", {"what": what, "done": done, "total": total})

    @hookimpl
    def gtk_note(self, note: str) -> None:
        """Print what there is to know of the data."""
        _print("note", {"note": note})

    @hookimpl
    def gtk_train_start(self, run: Run, progress: Progress) -> None:
        """Print where the training begins or goes on."""
        self._pace.note(progress)
        _print("start", {**_place(run, progress), "learning_rate": progress.learning_rate})

    @hookimpl
    def gtk_step_end(self, run: Run, progress: Progress) -> None:
        """Print a report."""
        self._pace.note(progress)
        left = self._pace.left
        facts = {
            "terms": dict(progress.terms),
            "images_per_second": round(progress.images_per_second, 1),
            "learning_rate": progress.learning_rate,
            "seconds_left": None if left is None else round(left, 1),
        }
        _print("step", {**_place(run, progress), **facts})

    @hookimpl
    def gtk_epoch_end(self, run: Run, progress: Progress) -> None:
        """Print that an epoch is over."""
        _print("epoch", _place(run, progress))

    @hookimpl
    def gtk_train_end(self, progress: Progress) -> None:
        """Note how far it came; whether all went well is known to the command."""
        self._last = progress

    def end(self, run: Run) -> None:
        """Print the last figures of each split and where everything is, if anybody still reads."""
        from gtk.cli.train_summary import last_metrics

        if self._last is None:
            return
        report = run.path / "report.html"
        folder = run.checkpoints.folder(run.checkpoints.choose(None))
        facts = {
            **_place(run, self._last),
            "stopped": self._last.stopped or None,
            "metrics": last_metrics(run),
            "pictures": str(run.pictures),
            "checkpoint": str(folder),
            "report": str(report) if report.exists() else None,
        }
        _print("end", facts)

    def __enter__(self) -> "JsonLines":
        """Watch the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Print what ends the block as the command will end it, which standard error has, too."""
        if error is not None:
            error = plugin_failure(error) or error
        if isinstance(error, GtkError):
            _print("failed", {"message": str(error), "exit_code": error.exit_code})
        elif isinstance(error, KeyboardInterrupt):
            _print("failed", {"message": "interrupted", "exit_code": 130})
        elif isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            _print("failed", {"message": str(error), "exit_code": 1})


def _place(run: Run, progress: Progress) -> dict[str, Any]:
    """Return which run it is, and how far."""
    return {
        "run": str(run.path),
        "step": progress.step,
        "total_steps": progress.total_steps,
        "epoch": progress.epoch,
        "epochs": progress.epochs,
    }


def _print(event: str, facts: dict[str, Any]) -> None:
    click.echo(json.dumps({"event": event, **facts}, allow_nan=False))
