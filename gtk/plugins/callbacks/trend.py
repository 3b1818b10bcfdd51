"""Where a term is going, in an arrow, a word and a line of its last values."""

from collections import deque

#: Shares of the past that remain in the averages at each report: their difference is the trend.
#: Single reports are too noisy to compare.
NEAR, FAR = 0.5, 0.9
#: A difference of less than this share of the term is none.
STEADY = 0.01
#: Values that are drawn.
VALUES = 20
LEVELS = "▁▂▃▄▅▆▇█"


class Trend:
    """The values of one term so far."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=VALUES)
        self._near = 0.0
        self._far = 0.0

    @property
    def value(self) -> float:
        """The last one."""
        return self._values[-1]

    def note(self, value: float) -> None:
        """Take one more value."""
        if not self._values:
            self._near = self._far = value
        self._near += (1 - NEAR) * (value - self._near)
        self._far += (1 - FAR) * (value - self._far)
        self._values.append(value)

    def direction(self) -> tuple[str, str]:
        """Return an arrow and a word; both empty for a first value, which goes nowhere."""
        if len(self._values) < 2:
            return "", ""
        difference = self._near - self._far
        if abs(difference) <= STEADY * abs(self._far):
            return "→", "steady"
        return ("↓", "falling") if difference < 0 else ("↑", "rising")

    def line(self, width: int) -> str:
        """Draw as many of the last values as fit, between the lowest and the highest of them."""
        values = list(self._values)[-width:]
        lowest, highest = min(values), max(values)
        if highest == lowest:
            return LEVELS[0] * len(values)
        top = len(LEVELS) - 1
        # Halved first: the difference of two huge numbers may be no number any more.
        span = highest / 2 - lowest / 2
        return "".join(LEVELS[round((value / 2 - lowest / 2) / span * top)] for value in values)
