"""The trend of a term: an arrow, a word and a sparkline of its last values."""

from collections import deque

#: Decay of a fast and a slow average; their difference is the trend. Single reports are too noisy.
NEAR, FAR = 0.5, 0.9
#: A smaller share of the term counts as steady.
STEADY = 0.01
#: The most values that are drawn.
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
        """The last value."""
        return self._values[-1]

    def note(self, value: float) -> None:
        """Add a value."""
        if not self._values:
            self._near = self._far = value
        self._near += (1 - NEAR) * (value - self._near)
        self._far += (1 - FAR) * (value - self._far)
        self._values.append(value)

    def direction(self) -> tuple[str, str]:
        """Return an arrow and a word; both are empty for a first value."""
        if len(self._values) < 2:
            return "", ""
        difference = self._near - self._far
        if abs(difference) <= STEADY * abs(self._far):
            return "→", "steady"
        return ("↓", "falling") if difference < 0 else ("↑", "rising")

    def line(self, width: int) -> str:
        """Draw the last `width` values between their lowest and their highest."""
        values = list(self._values)[-width:]
        lowest, highest = min(values), max(values)
        if highest == lowest:
            return LEVELS[0] * len(values)
        top = len(LEVELS) - 1
        # Halved first: the difference of two huge numbers may overflow.
        span = highest / 2 - lowest / 2
        return "".join(LEVELS[round((value / 2 - lowest / 2) / span * top)] for value in values)
