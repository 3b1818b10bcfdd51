"""The elapsed time and the remaining time of a training."""

from collections import deque
from collections.abc import Callable

from gtk.core.training.progress import Progress

#: Reports that the time left is estimated from: enough to average over an epoch's pictures, few
#: enough to follow a shared machine.
REPORTS = 30


class Pace:
    """Measures the pace of reports.

    Args:
        clock: returns seconds.

    Attributes:
        elapsed: seconds since the first report.
        left: estimated seconds until the last step; None until it is known.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.elapsed = 0.0
        self.left: float | None = None
        self._clock = clock
        self._start: float | None = None
        self._reports: deque[tuple[float, int]] = deque(maxlen=REPORTS)

    def note(self, progress: Progress) -> None:
        """Record a report; the first is that of the training's start."""
        now = self._clock()
        if self._start is None:
            self._start = now
        self.elapsed = now - self._start
        self._reports.append((now, progress.step))
        then, step = self._reports[0]
        if progress.step > step:
            remaining = progress.total_steps - progress.step
            self.left = (now - then) / (progress.step - step) * remaining
