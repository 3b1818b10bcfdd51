"""The metric `nearest`: whether generated images are copies of training images."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gtk.core.contracts.metric import JudgedImages, Metric
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.figure import Figure, FigureSpec
from gtk.plugins.metrics import NearestConfig
from gtk.plugins.metrics.interval import median_figure, share

#: An image is a copy if it is as near to a training image as this share of the test images.
NEAR = 0.01
#: Images that are compared at once with a batch of training images.
BLOCK = 1000
#: Pixels whose products float32 adds up exactly: 256 * 255^2 < 2^24.
EXACT = 256


class Nearest(Metric):
    """How near the nearest training image is, compared with how near it is for test images.

    Distances are Euclidean, of the pixels of the first generated images and of as many test images.
    A median far below 1 means that images resemble training images more
    than real images do; `copies` is the share of images as near as the nearest 1% of test images,
    or as the nearest of all. `real_copies` is what it would be for more real images. The intervals
    take the test images as given.
    """

    config: NearestConfig
    figures: ClassVar[Mapping[str, FigureSpec]] = {
        "median": FigureSpec("median distance, relative to test images"),
        "copies": FigureSpec("images as near as 1% of test images", share=True, better="lower"),
        "real_copies": FigureSpec("the same of real images", share=True),
    }
    sources = frozenset({"generated", "test", "train"})

    def __init__(self, config: NearestConfig, data_spec: DataSpec) -> None:
        super().__init__(config, data_spec)
        empty = np.empty((0, np.prod(data_spec.image_shape)), np.uint8)
        self._generated, self._test = empty, empty
        #: Squared distances to the nearest training image, of generated, then of test images.
        self._nearest: NDArray[np.float64] | None = None

    def update(self, images: JudgedImages) -> None:
        """Keep the images that are looked at, and the distance to the nearest training image."""
        rows = images.images.reshape(len(images), -1)
        if images.source == "generated":
            missing = self.config.images - len(self._generated)
            self._generated = np.concatenate([self._generated, rows[:missing]])
        elif images.source == "test":
            missing = len(self._generated) - len(self._test)
            self._test = np.concatenate([self._test, rows[:missing]])
        elif len(rows):
            found = _nearest(np.concatenate([self._generated, self._test]), rows)
            known = found if self._nearest is None else self._nearest
            self._nearest = np.minimum(found, known)

    def protocol(self) -> dict[str, Any]:
        """Return how many images were looked at."""
        return {"images": len(self._generated)}

    def compute(self) -> dict[str, Figure | float]:
        """Return the ratio of the medians, and the share of copies.

        Raises:
            InvalidValue: there are too few images, or the test images are training images.
        """
        if self._nearest is None or not len(self._generated) or not len(self._test):
            raise InvalidValue(
                "nearest needs generated, test and training images, and some are missing: leave it "
                "out"
            )
        distances = np.sqrt(self._nearest)
        generated, test = np.split(distances, [len(self._generated)])
        usual = float(np.median(test))
        if usual == 0:
            raise InvalidValue(
                "nearest compares with how far test images lie from training images, and half of "
                "them are training images: leave it out"
            )
        near = max(1, int(NEAR * len(test)))
        copies = int((generated <= np.partition(test, near - 1)[near - 1]).sum())
        return {
            "median": median_figure(generated / usual),
            "copies": share(copies, len(generated)),
            "real_copies": near / (len(test) + 1),
        }


def _nearest(rows: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the squared distance of each row (N, pixels) to the nearest of others (M, pixels)."""
    lengths = _squared_lengths(others)
    found = []
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        nearness = (2 * _products(block, others) - lengths).max(axis=1)
        found.append(_squared_lengths(block) - nearness)
    return np.concatenate(found) if found else np.empty(0)


def _products(rows: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the inner products of rows (N, pixels) with others (M, pixels): (N, M), exact."""
    products = np.zeros((len(rows), len(others)))
    for start in range(0, rows.shape[1], EXACT):
        left, right = (part[:, start : start + EXACT].astype(np.float32) for part in (rows, others))
        products += left @ right.T
    return products


def _squared_lengths(rows: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the sum of squares of each row (N, pixels): (N,)."""
    squares: NDArray[np.int64] = np.square(rows, dtype=np.uint16).sum(axis=1, dtype=np.int64)
    return squares
