"""How long calls take, measured in turns in one process."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Call = Callable[[], object]

#: Seconds of a block of calls.
BLOCK = 0.1
#: Seconds without work before a block: threads that still spin for the side before would slow it.
PAUSE = 0.05
#: Seconds of calls before each block that do not count.
WARM_UP = 0.02


@dataclass(frozen=True)
class Timing:
    """How long a call takes, in seconds.

    Attributes:
        median: of all calls.
        lower: a quarter of the calls took less.
        upper: a quarter of the calls took more.
        calls: how many were measured.
    """

    median: float
    lower: float
    upper: float
    calls: int


def measure(calls: Sequence[Call], seconds: float) -> list[Timing]:
    """Measure calls in turns: a block of each, then a block of each again, in changing order.

    It ends after the round in which the time is up. Where a first call of each already takes that
    long, these are the measurement.

    Args:
        calls: what to measure.
        seconds: for all of them.

    Returns:
        How long each of them takes.
    """
    end = time.perf_counter() + seconds
    order = range(len(calls))
    rounds = [[block(call, 0.0) for call in calls]]
    while time.perf_counter() < end:
        turn: list[list[float]] = [[] for _ in order]
        for index in order[:: -1 if len(rounds) % 2 else 1]:
            time.sleep(PAUSE)
            if rounds[-1][index][-1] < BLOCK:  # a slow call has no need to warm up
                block(calls[index], WARM_UP)
            turn[index] = block(calls[index], BLOCK)
        rounds.append(turn)
    rounds = rounds[1:] or rounds
    return [_summarize([taken for turn in rounds for taken in turn[index]]) for index in order]


def block(call: Call, seconds: float) -> list[float]:
    """Call until the time is up, at least once; return the seconds of each call."""
    taken: list[float] = []
    start = last = time.perf_counter()
    while not taken or last - start < seconds:
        call()
        now = time.perf_counter()
        taken.append(now - last)
        last = now
    return taken


def _summarize(taken: Sequence[float]) -> Timing:
    """Return median and quartiles."""
    lower, median, upper = (
        statistics.quantiles(taken, n=4, method="inclusive") if len(taken) > 1 else [taken[0]] * 3
    )
    return Timing(median, lower, upper, len(taken))
