"""How long calls take, measured in turns in one process."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Call = Callable[[], object]

#: Seconds of a block of calls.
BLOCK = 0.1
#: Seconds without work before a block: threads that still spin for the other side would slow it.
PAUSE = 0.05
#: Seconds of uncounted calls before each block.
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
    """Return how long calls take, measured in turns: blocks of each, in changing order.

    The measurement ends with the round in which `seconds` are over. Where the first calls alone
    take that long, they are the measurement.
    """
    end = time.perf_counter() + seconds
    order = range(len(calls))
    rounds = [[block(call, 0.0) for call in calls]]
    while time.perf_counter() < end:
        turn: list[list[float]] = [[] for _ in order]
        for index in order[:: -1 if len(rounds) % 2 else 1]:
            time.sleep(PAUSE)
            if rounds[-1][index][-1] < BLOCK:  # a slow call needs no warm-up
                block(calls[index], WARM_UP)
            turn[index] = block(calls[index], BLOCK)
        rounds.append(turn)
    rounds = rounds[1:] or rounds
    return [_summarize([taken for turn in rounds for taken in turn[index]]) for index in order]


def block(call: Call, seconds: float) -> list[float]:
    """Call for `seconds`, at least once, and return the seconds of each call."""
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
