"""Early stop: end a training whose validation no longer improves."""

import math
from collections.abc import Iterable, Mapping
from typing import Any


class EarlyStop:
    """Counts the validations in a row without a new best, in the lines of metrics.jsonl.

    Its whole state is in those lines, which a resumed training cuts back to its checkpoint, so it
    stops where a training that was never killed would. A patience of 0 never stops.
    """

    def __init__(self, patience: int, lines: Iterable[Mapping[str, Any]] = ()) -> None:
        self._patience = patience
        self._best = math.inf
        self._best_step = 0
        self._worse = 0
        self._last: Mapping[str, Any] = {}
        for line in lines:
            if patience and line.get("monitor") in line["terms"]:
                self.note(line)

    @property
    def reached(self) -> bool:
        """Whether the training has to stop."""
        return 0 < self._patience <= self._worse

    def note(self, line: Mapping[str, Any]) -> None:
        """Count the line of one more validation; the earlier of two equal ones is the best."""
        value = monitored_value(line)
        self._last = line
        if value < self._best:
            self._best, self._best_step, self._worse = value, line["step"], 0
        else:
            self._worse += 1

    def __str__(self) -> str:
        """Return when and why it stopped."""
        return (
            f"stopped early at step {self._last['step']}, epoch {self._last['epoch']}: no better "
            f"validation {self._last['monitor']} since step {self._best_step}"
        )


def monitored_value(line: Mapping[str, Any]) -> float:
    """Return what a line monitors as a number of which lower is better."""
    value: float = line["terms"][line["monitor"]]
    return -value if line.get("better") == "higher" else value
