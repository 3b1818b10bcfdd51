"""Figures: the numbers that metrics give, with unit, direction and interval."""

from dataclasses import dataclass
from typing import Literal

from gtk.core.values.number_text import format_number

Better = Literal["higher", "lower", ""]


@dataclass(frozen=True)
class FigureSpec:
    """What a figure of a metric is.

    Attributes:
        summary: what it says, in a few words.
        unit: what it is measured in, such as "nats"; "" for a plain number.
        share: whether it is a share of 1, which is shown in percent.
        better: whether a higher or a lower value is better; "" where neither is.
    """

    summary: str
    unit: str = ""
    share: bool = False
    better: Better = ""


@dataclass(frozen=True)
class Figure:
    """A number with its 95% confidence interval, if that is known.

    Attributes:
        value: the number.
        low: the interval's lower end.
        high: its upper end.
    """

    value: float
    low: float | None = None
    high: float | None = None


def figure_text(value: float, *, share: bool) -> str:
    """Return a figure as a person reads it: a share in percent."""
    if not share:
        return format_number(value)
    # As many digits as tell 99.98% from 100%.
    return f"{100 * value:.2f}%"
