"""How long a training has taken, and how long it will."""

from collections import deque
from collections.abc import Callable

from gtk.core.training.progress import Progress

#: Reports that the time left is judged by: enough to average over an epoch's pictures, few enough
#: to follow a machine that others use as well.
REPORTS = 30


class Pace:
    """Notes when reports came.

    Args:
        clock: seconds, from any moment on.

    Attributes:
        gone: seconds since the first report.
        left: seconds until the last step at the pace of the newest reports; None until it is known.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.gone = 0.0
        self.left: float | None = None
        self._clock = clock
        self._start: float | None = None
        self._reports: deque[tuple[float, int]] = deque(maxlen=REPORTS)

    def note(self, progress: Progress) -> None:
        """Note a report, now; the first is that of the training's start."""
        now = self._clock()
        if self._start is None:
            self._start = now
        self.gone = now - self._start
        self._reports.append((now, progress.step))
        then, step = self._reports[0]
        if progress.step > step:
            remaining = progress.total_steps - progress.step
            self.left = (now - then) / (progress.step - step) * remaining
