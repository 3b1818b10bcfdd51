"""The clock stops once the device has computed what it counts, and waits for it nowhere else."""

from typing import Any

import pytest
import torch
import toys

from gtk.core.training import clock
from gtk.core.training.clock import Clock


def test_the_clock_counts_the_time_until_the_device_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = [0.0]

    def wait(device: torch.device) -> None:
        assert device == torch.device("cuda:1")
        seconds[0] += 4.0  # what the device still had to compute

    monkeypatch.setattr(clock.time, "perf_counter", lambda: seconds[0])
    monkeypatch.setattr(clock, "synchronize", wait)
    watch = Clock(torch.device("cuda:1"))
    watch.images += 100
    seconds[0] += 1.0
    watch.stop()
    assert watch.take_speed() == 20.0
    assert watch.take_speed() == 0.0


def test_a_training_waits_for_its_device_only_where_the_clock_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stops: list[int] = []
    trainer = toys.trainer(log_every=5, epochs=3)  # of 4 steps
    monkeypatch.setattr(clock, "synchronize", lambda device: stops.append(trainer.step))
    monkeypatch.setattr(trainer, "_after_step", lambda *args, **kwargs: None)
    quiet: Any = type("Quiet", (), {"stopped": "", "signal": None})()
    trainer._take_steps(quiet, quiet, quiet)
    assert stops == [4, 5, 8, 10, 12]
