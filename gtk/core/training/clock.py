"""The speed of a training: images per second, without what comes between steps."""

import time


class Clock:
    """Counts images and the seconds they took; starts running."""

    def __init__(self) -> None:
        self.images = 0
        self._seconds = 0.0
        self.start()

    def start(self) -> None:
        """Count the time from now on."""
        self._start = time.perf_counter()

    def stop(self) -> None:
        """Stop counting."""
        self._seconds += time.perf_counter() - self._start

    def take_speed(self) -> float:
        """Return images per second, 0 without images, and reset a stopped clock."""
        speed = self.images / self._seconds if self.images else 0.0
        self.images, self._seconds = 0, 0.0
        return speed
