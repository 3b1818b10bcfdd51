"""The metric `frechet-distance`: how far Gaussians of features lie apart."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.errors import InvalidValue
from gtk.core.values.figure import Figure, FigureSpec
from gtk.plugins.metrics.feature_metric import FeatureMetric

#: Draws with replacement of the generated images, from which the interval is estimated.
DRAWS = 30
#: A distance below this share of the features' variance is a rounding error.
ROUNDING = 1e-10


class FrechetDistance(FeatureMetric):
    """The Frechet distance of generated images to test images in the judge's features.

    Heusel et al., GANs Trained by a Two Time-Scale Update Rule (arXiv:1706.08500), equation 6, with
    the judge's features instead of Inception's. It is too high by an amount that grows with fewer
    images, so distances compare only for one judge and one number of images; `times_real` compares
    with as many training images.

    The interval is 1.96 standard deviations of a bootstrap of the generated images to both sides:
    the test images are taken as given.
    """

    name = "frechet-distance"
    figures: ClassVar[Mapping[str, FigureSpec]] = {
        "distance": FigureSpec("distance to the test images", better="lower"),
        "real": FigureSpec("distance of as many training images"),
        "times_real": FigureSpec("distance as a multiple of that", better="lower"),
    }

    def compute(self) -> dict[str, Figure | float]:
        """Return the distance, that of training images, and the ratio.

        Raises:
            InvalidValue: there are fewer images than features, or the training images have no
                distance from the test images.
        """
        features = max((rows.shape[1] for rows in self._features["generated"]), default=0)
        self._check_counts(max(features, 2), "as many as the judge has features")
        generated, test, train = self._all_compared()
        reference = Gaussian.of(test)
        distance = reference.distance(Gaussian.of(generated))
        real = reference.distance(Gaussian.of(train))
        if real == 0:
            raise InvalidValue(
                "frechet-distance compares with how far training images lie from the test images, "
                "and they are the same to the judge: leave it out"
            )
        margin = 1.96 * _deviation(generated, reference)
        low, high = max(0.0, distance - margin), distance + margin
        return {
            "distance": Figure(distance, low, high),
            "real": real,
            "times_real": Figure(distance / real, low / real, high / real),
        }


@dataclass(frozen=True)
class Gaussian:
    """A normal distribution.

    Attributes:
        mean: (F,).
        root: the square root of the covariance, (F, F), symmetric.
    """

    mean: NDArray[np.float64]
    root: NDArray[np.float64]

    @classmethod
    def of(cls, rows: NDArray[np.float64]) -> "Gaussian":
        """Fit one to features (N, F)."""
        values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(rows.T)))
        return cls(rows.mean(axis=0), (vectors * np.sqrt(values.clip(0))) @ vectors.T)

    @property
    def variance(self) -> float:
        """The trace of the covariance."""
        return float((self.root**2).sum())

    def distance(self, other: "Gaussian") -> float:
        """Return the squared Frechet distance, 0 where it is less than rounding errors.

        The trace of the root of the covariances' product is the sum of the singular values of the
        product of their roots. The roots of its eigenvalues would have half the digits.
        """
        means = self.mean - other.mean
        variance = self.variance + other.variance
        mixed = np.linalg.norm(self.root @ other.root, "nuc")
        distance = float(means @ means + variance - 2 * mixed)
        return distance if distance > ROUNDING * variance else 0.0


def _deviation(rows: NDArray[np.float64], reference: Gaussian) -> float:
    """Return the standard deviation of the distance over draws of the rows (N, F)."""
    generator = np.random.default_rng(0)
    draws = (generator.integers(len(rows), size=len(rows)) for _ in range(DRAWS))
    distances = [reference.distance(Gaussian.of(rows[chosen])) for chosen in draws]
    # About their own mean: draws repeat rows, so that all of their distances are too high.
    return math.sqrt(np.var(distances, ddof=1))
