"""The trial: a few steps in each arithmetic, on a copy of the model, to choose the fastest."""

import copy
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count, product
from statistics import median
from typing import Any

import torch

from gtk.core.models.device import fork_random_state, has_bf16, synchronize
from gtk.core.registry.train_config import TrainConfig
from gtk.core.training.arithmetic import Arithmetic, has_maps
from gtk.core.training.learner import Learner
from gtk.core.training.trainer import Trainer
from gtk.core.values.tracking import track

#: The steps and seconds of the shortest training that gets a trial.
FEWEST_STEPS, LONG = 300, 15.0
#: The share of a long training that its trial may take, that of a short one, and its most seconds.
SHARE, SHORT_SHARE, SHORT_TRIAL = 0.01, 0.03, 2.0
#: The most seconds of one candidate's turn, and how many it has: the speed of a shared machine
#: drifts.
TURN, TURNS = 3.0, 2
#: How much faster an arithmetic must be than one before it, which is simpler.
GAIN = 1.05

#: Where single steps take long, a trial may take so many times its share.
OVERTIME = 2.0

#: About the seconds in which the time of a step is measured before a trial, or without one.
TIME = 0.25
#: The share of that time in which a GPU is not waited for: to wait for each of its steps would add
#: the time in which the next one is launched.
UNWATCHED = 0.05

#: Images per second in each arithmetic that was tried.
Rates = Mapping[Arithmetic, float]


class Trial:
    """Chooses the arithmetic of a training.

    It takes steps of copies of the model and the loss, so that nothing of the training changes.

    Attributes:
        candidates: what there is to choose from, the simplest first; fewer threads besides.

    Args:
        trainer: of the training, before the first step.
        config: whatever it says other than "auto" and 0 is taken.
        bears_bf16: whether model, conditioner and loss bear bf16.
    """

    def __init__(self, trainer: Trainer, config: TrainConfig, *, bears_bf16: bool) -> None:
        self._trainer, self._config = trainer, config
        self._total_steps = trainer.schedule.total_steps
        self._images = trainer.schedule.images_per_step
        self._device = device = trainer.learner.device
        bf16 = bears_bf16 and has_bf16(device)
        maps = has_maps(trainer.learner.model, *trainer.learner.context.networks.values())
        precisions = _options(config.precision, "fp32", *["bf16"] * bf16)
        formats = _options(config.memory_format, "contiguous", *["channels-last"] * maps)
        most = config.threads or torch.get_num_threads()
        several = not config.threads and device.type == "cpu"
        self._deadline = math.inf  # of a trial, by the clock
        self.candidates = [Arithmetic(*pair, most) for pair in product(precisions, formats)]
        self._fewer_threads = [most >> n for n in range(1, most.bit_length())] if several else []

    def choose(self) -> tuple[Arithmetic, Rates]:
        """Return the arithmetic to train in, and the rates that were measured.

        A training that has no trial has a rate all the same, to tell how long an epoch takes; one
        that is soon done has none.
        """
        simplest = self.candidates[0]
        if self._total_steps < FEWEST_STEPS:
            return simplest, {}
        rates = self.rate(simplest)
        seconds = self._total_steps * sum(self._images / rate for rate in rates.values())
        alone = len(self.candidates) == 1 and not self._fewer_threads
        if alone or seconds < LONG:
            return simplest, rates
        share = max(SHARE * seconds, min(SHORT_SHARE * seconds, SHORT_TRIAL))
        turn = share / (TURNS * (len(self.candidates) + 1 + len(self._fewer_threads)))
        self._deadline = time.perf_counter() + max(TURN, OVERTIME * share)
        with fork_random_state(self._device), same_threads():
            rates = self._rates(self.candidates, min(TURN, turn))
            best = fastest(rates, simplest)
            if self._fewer_threads:
                fewer = [replace(best, threads=threads) for threads in self._fewer_threads]
                again = self._rates([best, *fewer], min(TURN, turn))
                best, rates = fastest(again, best), {**rates, **again}
        return best, rates

    def rate(self, arithmetic: Arithmetic) -> Rates:
        """Return about how many images a second an arithmetic trains on, nothing if it fails."""
        with fork_random_state(self._device), same_threads():
            seconds = self._seconds(arithmetic, TIME)
        return {} if seconds is None else {arithmetic: self._images / seconds}

    def _rates(self, candidates: Sequence[Arithmetic], turn: float) -> Rates:
        """Return the rates of candidates, without those that fail, and those it has no time for."""
        turns = [*candidates] * TURNS
        least: dict[Arithmetic, float] = {}
        failed = set()
        for candidate in track(turns, "trying a few steps", len(turns)):
            late = bool(least) and time.perf_counter() > self._deadline
            seconds = None if candidate in failed or late else self._seconds(candidate, turn)
            if seconds is not None:
                least[candidate] = min(seconds, least.get(candidate, seconds))
            elif not late:
                failed.add(candidate)
        working = [item for item in candidates if item in least and item not in failed]
        return {item: self._images / least[item] for item in working}

    def _seconds(self, arithmetic: Arithmetic, turn: float) -> float | None:
        """Return the median of steps that take `turn` seconds in all; None if a step fails."""
        torch.set_num_threads(arithmetic.threads)
        times: list[float] = []
        several, spent = 1, 0.0
        try:
            steps = self._steps(arithmetic)
            self._take(steps, 1)  # it allocates memory, and chooses kernels
            while not times or spent < turn:
                start = time.perf_counter()
                self._take(steps, several)
                took = time.perf_counter() - start
                times.append(took / several)
                spent += took
                if self._device.type != "cpu" and took < UNWATCHED * turn:
                    several *= 2
        except (Exception, SystemExit):  # noqa: BLE001 - the training itself reports what fails
            return None
        return median(times)

    def _take(self, steps: Iterator[None], several: int) -> None:
        """Take some steps, and wait until the device has computed them."""
        for _ in range(several):
            next(steps)
        synchronize(self._device)

    def _steps(self, arithmetic: Arithmetic) -> Iterator[None]:
        """Take steps of a copy on the first batch, at a rate of 0."""
        learner = self._trainer.learner
        model, loss, networks = copy.deepcopy(
            (learner.model, learner.loss, learner.context.networks)
        )
        learner = Learner(model, loss, networks, self._config, self._total_steps, self._device)
        learner.use(arithmetic)
        batch = self._trainer.first_batch()
        for step in count():  # since a penalty may be in some steps alone
            learner.learn(batch, step, learning_rate=0.0)
            learner.pending.clear()
            yield


def fastest(rates: Rates, otherwise: Arithmetic) -> Arithmetic:
    """Return the first arithmetic that is within `GAIN` of the fastest; `otherwise` without any."""
    best = max(rates.values(), default=0.0)
    return next((tried for tried, rate in rates.items() if rate * GAIN >= best), otherwise)


def _options(wanted: str, *known: str) -> Sequence[Any]:
    return known if wanted == "auto" else [wanted]


@contextmanager
def same_threads() -> Iterator[None]:
    """Have the same number of threads afterwards."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
