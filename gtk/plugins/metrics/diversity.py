"""The metric `diversity`: how much the images of a class differ."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gtk.core.contracts.metric import JudgedImages, Metric, Source
from gtk.core.registry.spec import NoConfig
from gtk.core.values.classes import Classes
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.figure import Figure, FigureSpec
from gtk.plugins.metrics.interval import normal

#: Bytes of generated images that are kept for the interval.
KEPT_BYTES = 1 << 25


class Diversity(Metric):
    """The standard deviation of a pixel among the images of a class, relative to test images.

    It is averaged over pixels, then over the classes of which there are two generated and two test
    images. Images without a class are not counted; where no image has one, all are compared with
    each other. The variance is the unbiased one, so that few images do not look less diverse.

    It is 1 for the diversity of test images. Less is mode collapse, or images that are smoother
    than real ones; more is noise.

    The interval is 1.96 standard errors to both sides, by the influence of single images on the
    deviation of their class (the infinitesimal jackknife), of as many of the first images as fit in
    32 MiB, unless these lack two of a class: the test images are taken as given.
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
        #: Some of the generated images, (N, C, H, W), with their classes (N,).
        self._kept: list[tuple[NDArray[np.uint8], NDArray[np.int64]]] = []
        self._room = max(2, KEPT_BYTES // math.prod(data_spec.image_shape))

    def protocol(self) -> dict[str, Any]:
        """Return whether images of a class are compared, or all images."""
        return {"among": "all images" if self._classes is None else "images of a class"}

    def update(self, images: JudgedImages) -> None:
        """Add up pixels by class."""
        shown, groups = images.images, np.zeros(len(images), np.int64)
        if self._classes is not None:
            if images.condition is None:
                return
            present = ~self._classes.is_absent(images.condition)
            shown, groups = shown[present], images.condition[present]
        self._sums[images.source].add(shown, groups)
        if images.source == "generated" and self._room:
            self._kept.append((shown[: self._room], groups[: self._room]))
            self._room -= len(self._kept[-1][1])

    def compute(self) -> dict[str, Figure]:
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
        found = float(np.mean([generated.deviation(group) for group in both]))
        error = self._error(both)
        value = found / usual
        return {"diversity": Figure(value) if error is None else normal(value, error / usual)}

    def _error(self, groups: list[int]) -> float | None:
        """Return the standard error of the mean deviation of generated images of some groups.

        None where fewer than two images of one were kept.
        """
        sums = self._sums["generated"]
        images, labels = (np.concatenate(parts) for parts in zip(*self._kept, strict=True))
        variances = []
        for group in groups:
            influences = sums.influences(group, images[labels == group])
            if len(influences) < 2:
                return None
            variances.append(influences.var(ddof=1) / int(sums.counts[group]))
        return math.sqrt(np.mean(variances) / len(groups))


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
        return float(np.sqrt(self._variance(group)).mean())

    def influences(self, group: int, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return how far each of some images (N, C, H, W) moves the deviation, times the count.

        For the deviation s of a pixel with mean m, that is ((x - m)^2 - s^2) / 2 s; nothing for one
        that is the same in all images.
        """
        variance, mean = self._variance(group), self._sums[group] / self.counts[group]
        weight = np.divide(0.5, np.sqrt(variance), out=np.zeros_like(variance), where=variance > 0)
        found = [(weight * (np.square(image - mean) - variance)).mean() for image in images]
        return np.array(found)

    def _variance(self, group: int) -> NDArray[np.float64]:
        """Return the unbiased variance of each pixel, (C, H, W)."""
        count = int(self.counts[group])
        # Both products are below 2^63 for up to ten million images.
        scaled = count * self._squares[group] - self._sums[group] ** 2
        variance: NDArray[np.float64] = scaled / (count * (count - 1))
        return variance
