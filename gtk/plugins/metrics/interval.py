"""Confidence intervals of shares."""

from gtk.core.values.figure import Figure

#: The probability that a 95% interval leaves out on each side.
TAIL = 0.025


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
