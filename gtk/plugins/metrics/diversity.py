"""The metric `diversity`: how much the images of a class differ."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gtk.core.contracts.metric import JudgedImages, Metric, Source
from gtk.core.registry.spec import NoConfig
from gtk.core.values.classes import Classes
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.figure import FigureSpec


class Diversity(Metric):
    """The standard deviation of a pixel among the images of a class, relative to test images.

    It is averaged over pixels, then over the classes of which there are two generated and two test
    images. Images without a class are not counted; where no image has one, all are compared with
    each other. The variance is the unbiased one, so that few images do not look less diverse.

    It is 1 for the diversity of test images. Less is mode collapse, or images that are smoother
    than real ones; more is noise.
    """

    figures: ClassVar[Mapping[str, FigureSpec]] = {
        "diversity": FigureSpec("deviation of a pixel, relative to test images", better="higher")
    }
    sources = frozenset({"generated", "test"})

    def __init__(self, config: NoConfig, data_spec: DataSpec) -> None:
        super().__init__(config, data_spec)
        condition = data_spec.condition
        self._classes = condition if isinstance(condition, Classes) else None
        groups = 1 if self._classes is None else self._classes.count
        self._sums: dict[Source, PixelSums] = {
            source: PixelSums(groups, data_spec.image_shape) for source in ("generated", "test")
        }

    def protocol(self) -> dict[str, Any]:
        """Return whether images of a class are compared, or all images."""
        return {"among": "all images" if self._classes is None else "images of a class"}

    def update(self, images: JudgedImages) -> None:
        """Add up pixels by class."""
        sums = self._sums[images.source]
        if self._classes is None:
            sums.add(images.images, np.zeros(len(images), np.int64))
        elif images.condition is not None:
            present = ~self._classes.is_absent(images.condition)
            sums.add(images.images[present], images.condition[present])

    def compute(self) -> dict[str, float]:
        """Return the deviation of generated images, divided by that of test images.

        Raises:
            InvalidValue: no class has two images of each, or the test images do not differ.
        """
        generated, test = self._sums["generated"], self._sums["test"]
        both = np.flatnonzero((generated.counts > 1) & (test.counts > 1)).tolist()
        if not both:
            of_a_class = "" if self._classes is None else " of a class"
            raise InvalidValue(
                f"diversity needs at least two generated and two test images{of_a_class}: give "
                "more, or leave it out"
            )
        usual = float(np.mean([test.deviation(group) for group in both]))
        if usual == 0:
            raise InvalidValue(
                "diversity compares with how much test images differ, and these are all the same: "
                "leave it out"
            )
        return {"diversity": float(np.mean([generated.deviation(group) for group in both])) / usual}


class PixelSums:
    """Sums of pixels and of their squares, by group: whole numbers, so that order is irrelevant.

    Args:
        groups: how many there are.
        shape: of an image.

    Attributes:
        counts: images of each group, (groups,).
    """

    def __init__(self, groups: int, shape: tuple[int, int, int]) -> None:
        self.counts = np.zeros(groups, np.int64)
        self._sums, self._squares = np.zeros((2, groups, *shape), np.int64)

    def add(self, images: NDArray[np.uint8], groups: NDArray[np.int64]) -> None:
        """Add images (N, C, H, W) of groups (N,)."""
        for group in np.unique(groups):
            own = images[groups == group]
            self.counts[group] += len(own)
            self._sums[group] += own.sum(axis=0, dtype=np.int64)
            squares = np.square(own, dtype=np.uint16)  # of 255 it is 65,025
            self._squares[group] += squares.sum(axis=0, dtype=np.int64)

    def deviation(self, group: int) -> float:
        """Return the standard deviation of a pixel in a group of two images or more, 0..255."""
        count = int(self.counts[group])
        # Both products are below 2^63 for up to ten million images.
        scaled = count * self._squares[group] - self._sums[group] ** 2
        return float(np.sqrt(scaled / (count * (count - 1))).mean())
