"""95% confidence intervals."""

import math

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.figure import Figure

#: The probability that a 95% interval leaves out on each side.
TAIL = 0.025
#: Standard errors on either side that make a 95% interval of the normal distribution.
NORMAL_QUANTILE = 1.96


def share(found: int, count: int) -> Figure:
    """Return a share, found / count, with its exact 95% interval.

    Clopper and Pearson, The Use of Confidence or Fiducial Limits Illustrated in the Case of the
    Binomial (Biometrika 26, 1934): it contains the true share at least 95 times in 100, for shares
    near 0 and 1, too.

    Args:
        found: how many have a property.
        count: of how many; at least 1.
    """
    from scipy.special import betaincinv  # takes a quarter of a second

    low = float(betaincinv(found, count - found + 1, TAIL)) if found else 0.0
    high = float(betaincinv(found + 1, count - found, 1 - TAIL)) if found < count else 1.0
    return Figure(found / count, low, high)


def mean_figure(values: NDArray[np.float64]) -> Figure:
    """Return the mean of numbers (N,), and its interval if N is more than 1."""
    mean = float(values.mean())
    if len(values) == 1:
        return Figure(mean)
    return normal(mean, float(values.std(ddof=1)) / math.sqrt(len(values)))


def normal(value: float, error: float) -> Figure:
    """Return an estimate with the interval of a normal distribution of this standard error."""
    margin = NORMAL_QUANTILE * error
    return Figure(value, value - margin, value + margin)


def median_figure(values: NDArray[np.float64]) -> Figure:
    """Return the median of numbers (N,), between two of them that are nearly as far in the order.

    How many numbers lie below the true median has a binomial distribution, by whose normal
    approximation the two are chosen; of few numbers they are the least and the greatest.
    """
    ordered, margin = np.sort(values), NORMAL_QUANTILE * math.sqrt(len(values)) / 2
    first = max(0, math.floor(len(values) / 2 - margin))
    return Figure(float(np.median(values)), float(ordered[first]), float(ordered[-1 - first]))
