"""`gtk train --json`: one JSON object a line on standard output for every event, for programs."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gtk.cli.console import print_json
from gtk.core.registry.hooks import hookimpl
from gtk.core.registry.plugin_failure import plugin_failure
from gtk.core.storage.run import Run
from gtk.core.training.progress import Progress
from gtk.core.values.errors import GtkError
from gtk.core.values.interrupt import interrupt_code
from gtk.plugins.callbacks.pace import Pace

#: Seconds between two lines about the same work, which is reported for every image.
WORK_INTERVAL = 1.0


class JsonLines:
    """A callback that prints an object for every event; `end` prints the last one.

    Args:
        clock: returns seconds, counted from any moment.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pace = Pace(clock)
        self._worked = 0.0
        self._last: Progress | None = None

    @hookimpl
    def gtk_work(self, what: str, done: int, total: int) -> None:
        """Print the progress of work on the data: at both ends, and once a second in between."""
        now = self._clock()
        if done in (0, total) or now - self._worked >= WORK_INTERVAL:
            self._worked = now
            _print("work", {"what": what, "done": done, "total": total})

    @hookimpl
    def gtk_note(self, note: str) -> None:
        """Print a note on the data."""
        _print("note", {"note": note})

    @hookimpl
    def gtk_train_start(self, run: Run, progress: Progress) -> None:
        """Print the step at which the training begins or goes on."""
        self._pace.note(progress)
        train = run.document["train"]
        arithmetic = {name: train[name] for name in ("precision", "memory_format")}
        arithmetic["threads"] = run.document["threads"]
        rate = {"learning_rate": progress.learning_rate}
        _print("start", {**_position(run, progress), **rate, **arithmetic})

    @hookimpl
    def gtk_step_end(self, run: Run, progress: Progress) -> None:
        """Print the terms of the loss, and the pace."""
        self._pace.note(progress)
        left = self._pace.left
        document = {
            "terms": dict(progress.terms),
            "images_per_second": round(progress.images_per_second, 1),
            "learning_rate": progress.learning_rate,
            "seconds_left": None if left is None else round(left, 1),
        }
        _print("step", _position(run, progress) | document)

    @hookimpl
    def gtk_epoch_end(self, run: Run, progress: Progress) -> None:
        """Print that an epoch is over."""
        _print("epoch", _position(run, progress))

    @hookimpl
    def gtk_train_end(self, progress: Progress) -> None:
        """Keep the progress for `end`, which the command calls where nothing failed."""
        self._last = progress

    def end(self, run: Run) -> None:
        """Print the last figures of each split and the paths of what the training left."""
        from gtk.cli.train_summary import last_metrics

        if self._last is None:  # left out as a failing callback, since nobody reads its lines
            return
        document = {
            "stopped": self._last.stopped or None,
            "metrics": last_metrics(run),
            "pictures": str(run.pictures),
            "checkpoint": str(run.checkpoints.folder(run.checkpoints.choose(None))),
            "report": str(run.report) if run.report.exists() else None,
        }
        _print("end", _position(run, self._last) | document)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Print the failure that leaves the block, as the command also does on standard error."""
        try:
            yield
        except BaseException as error:
            failure = plugin_failure(error) or error
            if isinstance(failure, GtkError):
                _print("failed", {"message": str(failure), "exit_code": failure.exit_code})
            elif isinstance(failure, KeyboardInterrupt):
                code = interrupt_code(failure)
                _print("failed", {"message": "interrupted", "exit_code": code})
            elif isinstance(failure, OSError) and not isinstance(failure, BrokenPipeError):
                _print("failed", {"message": str(failure), "exit_code": 1})
            raise


def _position(run: Run, progress: Progress) -> dict[str, Any]:
    """Return the run, and how far it is."""
    return {
        "run": str(run.path),
        "step": progress.step,
        "total_steps": progress.total_steps,
        "epoch": progress.epoch,
        "epochs": progress.epochs,
    }


def _print(event: str, document: dict[str, Any]) -> None:
    print_json({"event": event, **document})
