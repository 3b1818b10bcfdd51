"""Stored values as levels 0..255, by the range that a user gives."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.plugins.datasets.remedy import with_remedy


def in_range(
    values: NDArray[Any], limits: tuple[float, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return values as levels, rounded, and which values are beyond the limits.

    Args:
        values: of any shape and type; NaN becomes an arbitrary level.
        limits: the values that become 0 and 255; values beyond become these, too.
    """
    low, high = limits
    shares = (values.astype(np.float64) - low) / (high - low)
    beyond = (shares < 0) | (shares > 1)
    levels = np.rint(np.clip(np.nan_to_num(shares), 0, 1) * 255).astype(np.uint8)
    return levels, beyond


def beyond_note(count: int, limits: tuple[float, ...]) -> str:
    """Return a note about images with values that a range cuts off."""
    shown = ",".join(f"{limit:.15g}" for limit in limits)
    after = f", which became black or white: {count}"
    return with_remedy("images with values beyond", "range", shown, after)
