"""The clock stops once the device has computed what it counts, and waits for it nowhere else."""

from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
import toys

import gtk
from gtk.core.registry.train_config import TrainConfig
from gtk.core.settings.choice import Choice
from gtk.core.training import clock
from gtk.core.training.arithmetic import Arithmetic
from gtk.core.training.clock import Clock
from gtk.core.training.training import Training
from gtk.core.training.trial import Trial
from gtk.plugins.losses.elbo import ELBO


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
    watch.start()
    seconds[0] += 2.0
    watch.stop()
    assert watch.total == 5.0 + 6.0, "also of the steps whose speed was taken"


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


def test_a_step_is_timed_by_the_median_of_those_after_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer = toys.trainer(epochs=30)
    trial = Trial(trainer, TrainConfig(threads=1), bears_bf16=False)
    times = iter([time for took in (60.0, 1.0, 2.0, 70.0) for time in (0.0, took)])
    monkeypatch.setattr("gtk.core.training.trial.time.perf_counter", lambda: next(times))
    monkeypatch.setattr("gtk.core.training.trial.TIME", 100.0)
    arithmetic = Arithmetic("fp32", "contiguous", 1)
    images = trainer.schedule.images_per_step
    assert trial.rate(arithmetic) == {arithmetic: images / ((2.0 + 60.0) / 2)}


def test_steps_of_a_gpu_are_timed_several_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = toys.trainer(epochs=30)
    trial = Trial(trainer, TrainConfig(threads=1), bears_bf16=False)
    trial._device = torch.device("cuda:0")
    now, taken, waits = [0.0], [0], []

    def steps(self: Trial, arithmetic: Arithmetic) -> Any:
        while True:
            now[0] += 0.004  # to launch it; the GPU computes the one before meanwhile
            taken[0] += 1
            yield

    def wait(device: torch.device) -> None:
        now[0] += 0.002
        waits.append(taken[0])

    monkeypatch.setattr(Trial, "_steps", steps)
    monkeypatch.setattr("gtk.core.training.trial.synchronize", wait)
    monkeypatch.setattr("gtk.core.training.trial.time.perf_counter", lambda: now[0])
    arithmetic = Arithmetic("fp32", "contiguous", 1)
    seconds = trial._seconds(arithmetic, 1.0)
    assert waits[:6] == [1, 2, 4, 8, 16, 32], "the first alone, then twice as many each time"
    assert set(np.diff(waits[5:])) == {16}, "a twentieth of the time is enough"
    assert seconds == pytest.approx(0.004 + 0.002 / 16)
    assert now[0] < 1.1


@pytest.mark.usefixtures("no_pictures")
def test_timing_an_epoch_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []

    class Look:
        @gtk.hookimpl
        def gtk_train_start(self, progress: gtk.Progress) -> None:
            seen.append(progress.epoch_seconds)

    options: dict[str, Any] = {"epochs": 5, "hidden_dims": (4,), "flip": True, "quiet": True}
    options |= {"condition_dropout": 0.1, "average_decay": 0.9, "callbacks": [Look()]}
    monkeypatch.setattr("gtk.core.training.training.FEWEST_STEPS", 5 * 22 + 1)
    plain = gtk.train("cvae", name="plain", **options)
    monkeypatch.setattr("gtk.core.training.training.FEWEST_STEPS", 5 * 22)
    before = torch.get_rng_state()
    timed = gtk.train("cvae", name="timed", **options)
    assert torch.equal(before, torch.get_rng_state())
    for name in ("metrics.jsonl", "checkpoints/000000110/training.safetensors"):
        assert (plain.path / name).read_bytes() == (timed.path / name).read_bytes()
    assert seen[0] == 0
    assert seen[1] > 0


def test_steps_that_fail_leave_the_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Choice.by_name("cvae", default_data="digits").settle({"hidden_dims": (4,)}, None)
    training = Training(settings, "cpu", [])
    for error in (RuntimeError("no"), SystemExit(3)):
        monkeypatch.setattr(ELBO, "updates", Mock(side_effect=error))
        assert training.epoch_seconds(Arithmetic("fp32", "contiguous", 1), {}) == 0
