"""The speed of a training: images per second, without what comes between steps."""

import time

import torch

from gtk.core.models.device import synchronize


class Clock:
    """Counts images and the seconds they took; starts running.

    Args:
        device: where the steps are computed; a step returns before a GPU has computed it.

    Attributes:
        images: since the last `take_speed`.
        total: the seconds until the last `stop`.
    """

    def __init__(self, device: torch.device) -> None:
        self.images = 0
        self._device = device
        self.total = self._seconds = 0.0
        self.start()

    def start(self) -> None:
        """Count the time from now on."""
        self._start = time.perf_counter()

    def stop(self) -> None:
        """Stop counting, once the device has computed all steps so far."""
        synchronize(self._device)
        took = time.perf_counter() - self._start
        self._seconds += took
        self.total += took

    def take_speed(self) -> float:
        """Return images per second, 0 without images, and reset a stopped clock."""
        speed = self.images / self._seconds if self.images else 0.0
        self.images, self._seconds = 0, 0.0
        return speed
