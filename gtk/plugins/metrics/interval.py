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
    """Return the median of numbers (N,), with the exact interval between two of them, if N > 5.

    How many numbers lie below the true median has a binomial distribution, by which the two are
    chosen. Of five numbers or fewer not even the least and the greatest make such an interval.
    """
    from scipy.special import bdtr

    count, ordered = len(values), np.sort(values)
    first = int((bdtr(np.arange(count // 2), count, 0.5) <= TAIL).sum()) - 1
    median = float(np.median(values))
    if first < 0:
        return Figure(median)
    return Figure(median, float(ordered[first]), float(ordered[-1 - first]))
