"""The metric `neighbours`: precision, recall, density and coverage among nearest neighbours."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.figure import Figure, FigureSpec
from gtk.plugins.metrics import NeighboursConfig
from gtk.plugins.metrics.feature_metric import FeatureMetric
from gtk.plugins.metrics.interval import mean_figure, share

#: The most images of each source: time grows with their square.
MOST_IMAGES = 10_000
#: Rows of a matrix of distances that are in memory at once.
BLOCK = 500


class Neighbours(FeatureMetric):
    """How generated and test images lie among each other in the judge's features.

    The region of an image is the ball that ends at its nearest neighbour of number k among the
    images of its source. Precision is the share of generated images in the region of a test image,
    recall that of test images in the region of a generated one: Kynkaanniemi et al., Improved
    Precision and Recall Metric (arXiv:1904.06991), section 2. Density is in how many regions of
    test images a generated one lies, divided by k, and coverage the share of test images with a
    generated one in their region: Naeem et al., Reliable Fidelity and Diversity Metrics
    (arXiv:2002.09797), section 3.

    All of them depend on the numbers of images, of which at most 10,000 of each source are
    compared. The intervals are of a binomial share, and of a mean: regions are taken as given.
    """

    name = "neighbours"
    most = MOST_IMAGES
    config: NeighboursConfig
    figures: ClassVar[Mapping[str, FigureSpec]] = {
        "precision": FigureSpec("images among test images", share=True, better="higher"),
        "recall": FigureSpec("test images among images", share=True, better="higher"),
        "density": FigureSpec("how densely test images lie around images", better="higher"),
        "coverage": FigureSpec("test images with an image near", share=True, better="higher"),
        "real_recall": FigureSpec("recall of as many training images", share=True),
        "real_coverage": FigureSpec("coverage of as many training images", share=True),
    }

    def compute(self) -> dict[str, Figure | float]:
        """Return the figures of generated images, and two of training images.

        Raises:
            InvalidValue: there are too few images to have k neighbours.
        """
        k = self.config.count
        self._check_counts(k + 1, f"so that each has {k} neighbours")
        made, test, train = (Regions.of(points, k) for points in self._all_compared())
        generated, real = overlap(made, test), overlap(train, test)
        return {
            "precision": _share(generated.inside > 0),
            "recall": _share(generated.recalled),
            "density": mean_figure(generated.inside / k),
            "coverage": _share(generated.covered),
            "real_recall": float(real.recalled.mean()),
            "real_coverage": float(real.covered.mean()),
        }


@dataclass(frozen=True)
class Regions:
    """The balls around some points.

    Attributes:
        points: (N, F).
        squared_radii: (N,).
    """

    points: NDArray[np.float64]
    squared_radii: NDArray[np.float64]

    @classmethod
    def of(cls, points: NDArray[np.float64], k: int) -> "Regions":
        """Find the distance of each point (N, F) to its nearest neighbour of number k."""
        squared_radii = []
        for block in _distances(points, points):
            block.partition(k, axis=1)  # the nearest of all is the point itself
            squared_radii.append(block[:, k].copy())  # a view would keep the whole block
        return cls(points, np.concatenate(squared_radii))


@dataclass(frozen=True)
class Overlap:
    """How points lie among real ones.

    Attributes:
        inside: how many regions of real points each point is in, (N,), int64.
        recalled: whether each real point is in the region of a point, (M,).
        covered: whether a point is in the region of each real point, (M,).
    """

    inside: NDArray[np.int64]
    recalled: NDArray[np.bool_]
    covered: NDArray[np.bool_]


def overlap(made: Regions, real: Regions) -> Overlap:
    """Compare points (N, F) with real ones (M, F)."""
    inside = []
    recalled, covered = np.zeros((2, len(real.points)), np.bool_)
    for start, distances in enumerate(_distances(made.points, real.points)):
        radii = made.squared_radii[start * BLOCK : (start + 1) * BLOCK, None]
        near = distances <= real.squared_radii
        inside.append(near.sum(axis=1))
        covered |= near.any(axis=0)
        recalled |= (distances <= radii).any(axis=0)
    return Overlap(np.concatenate(inside), recalled, covered)


def _distances(
    points: NDArray[np.float64], others: NDArray[np.float64]
) -> Iterator[NDArray[np.float64]]:
    """Yield squared distances of points (N, F) to others (M, F): blocks of (up to `BLOCK`, M)."""
    lengths = (others**2).sum(axis=1)
    for start in range(0, len(points), BLOCK):
        block = points[start : start + BLOCK]
        squares = block @ (-2 * others.T)
        squares += lengths
        squares += (block**2).sum(axis=1)[:, None]
        yield squares


def _share(rows: NDArray[np.bool_]) -> Figure:
    return share(int(rows.sum()), len(rows))
