"""How fast a training is: time in steps, with what comes between them left out."""

import time


class Clock:
    """Counts images and the seconds they took; starts running."""

    def __init__(self) -> None:
        self.images = 0
        self._seconds = 0.0
        self._start = time.perf_counter()

    def stop(self) -> None:
        """Leave out what follows."""
        self._seconds += time.perf_counter() - self._start

    def start(self) -> None:
        """Count again."""
        self._start = time.perf_counter()

    def take_speed(self) -> float:
        """Return images per second, of a clock that stands, and begin anew; 0 without images."""
        speed = self.images / self._seconds if self.images else 0.0
        self.images, self._seconds = 0, 0.0
        return speed
