"""Numbers and spans of time as a person reads them."""

import math


def format_number(value: float) -> str:
    """Return a number in about four significant digits, in at most ten characters.

    A number other than 0 never reads 0.00.
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if not 1e-3 <= abs(value) < 1e6:
        return f"{value:.2e}"
    decimals = max(0, 3 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}"


def format_seconds(seconds: float) -> str:
    """Return a span of time as 0:05, 12:34 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_about(seconds: float) -> str:
    """Return a span of time that was estimated: "about 12 s", "about 2.5 min"."""
    if seconds < 1:
        return "less than a second"
    for unit, size, most in (("s", 1, 60), ("min", 60, 60), ("h", 3600, math.inf)):
        amount = seconds / size
        if amount < most:
            return f"about {amount:.1f} {unit}" if amount < 9.5 else f"about {amount:.0f} {unit}"
    raise ValueError(f"{seconds} seconds are not a span of time")
