"""The metric `kernel-distance`: how far features lie apart, by a polynomial kernel."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.figure import Figure, FigureSpec
from gtk.plugins.metrics.feature_metric import FeatureMetric

#: The most images of each source: time grows with their square.
MOST_IMAGES = 10_000
#: Rows of a matrix of kernels that are in memory at once.
BLOCK = 500


class KernelDistance(FeatureMetric):
    """The squared maximum mean discrepancy between generated and test images.

    Binkowski et al., Demystifying MMD GANs (arXiv:1801.01401), section 4: the unbiased estimate
    with the kernel (x.y / F + 1)^3, of the judge's features instead of Inception's. Its expectation
    does not depend on the number of images, and is 0 for images of one distribution: a value below
    0 is chance. At most 10,000 images of each source are compared, all at once instead of the
    paper's average over subsets, whose error is larger.

    The interval is 1.96 standard deviations to both sides, by the jackknife over the generated and
    the test images: Efron and Stein, The Jackknife Estimate of Variance (Annals of Statistics 9,
    1981), by which it is rather too wide than too narrow.
    """

    name = "kernel-distance"
    most = MOST_IMAGES
    figures: ClassVar[Mapping[str, FigureSpec]] = {
        "distance": FigureSpec("distance to the test images", better="lower"),
        "real": FigureSpec("distance of as many training images"),
    }

    def compute(self) -> dict[str, Figure | float]:
        """Return the distance, and that of training images.

        Raises:
            InvalidValue: there are fewer than three images.
        """
        self._check_counts(3, "to estimate an interval")
        generated, test, train = self._all_compared()
        reference = Similarities.of(test)
        distance = discrepancy(Similarities.of(generated), reference)
        real = discrepancy(Similarities.of(train), reference)
        return {"distance": distance, "real": real.value}


@dataclass(frozen=True)
class Similarities:
    """Features, and how similar each of them is to the others.

    Attributes:
        rows: (N, F).
        sums: of each row's kernels with all other rows, (N,).
    """

    rows: NDArray[np.float64]
    sums: NDArray[np.float64]

    @classmethod
    def of(cls, rows: NDArray[np.float64]) -> "Similarities":
        """Compute the sums for features (N, F)."""
        own = ((rows**2).sum(axis=1) / rows.shape[1] + 1) ** 3
        sums = np.concatenate([block.sum(axis=1) for block in _kernels(rows, rows)])
        return cls(rows, sums - own)


def discrepancy(one: Similarities, other: Similarities) -> Figure:
    """Return the unbiased estimate of the squared maximum mean discrepancy of two samples."""
    n, m = len(one.rows), len(other.rows)
    row_sums, column_sums = [], np.zeros(m)
    for block in _kernels(one.rows, other.rows):
        row_sums.append(block.sum(axis=1))
        column_sums += block.sum(axis=0)
    crossed = np.concatenate(row_sums)
    within, within_other, across = one.sums.sum(), other.sums.sum(), crossed.sum()
    own, others = within / (n * (n - 1)), within_other / (m * (m - 1))
    value = float(own + others - 2 * across / (n * m))
    # The estimates without each row of one sample, then without each row of the other.
    left_out = (within - 2 * one.sums) / ((n - 1) * (n - 2)) + others
    left_out -= 2 * (across - crossed) / ((n - 1) * m)
    left_out_other = (within_other - 2 * other.sums) / ((m - 1) * (m - 2)) + own
    left_out_other -= 2 * (across - column_sums) / (n * (m - 1))
    variance = (n - 1) * left_out.var() + (m - 1) * left_out_other.var()
    margin = 1.96 * math.sqrt(variance)
    return Figure(value, value - margin, value + margin)


def _kernels(
    rows: NDArray[np.float64], others: NDArray[np.float64]
) -> Iterator[NDArray[np.float64]]:
    """Yield the kernels of rows (N, F) with others (M, F): blocks of (at most `BLOCK`, M)."""
    for start in range(0, len(rows), BLOCK):
        products = rows[start : start + BLOCK] @ others.T / rows.shape[1] + 1
        yield products * products * products  # by a power it would take ten times as long
