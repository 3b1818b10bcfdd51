"""What the metrics have in common that compare the judge's features of images."""

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gtk.core.contracts.metric import JudgedImages, Metric, Source
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue

#: How a message calls the images of a source, and what to do if there are too few of them.
WORDS: dict[Source, tuple[str, str]] = {
    "generated": ("images", "was given {}: give it more"),
    "test": ("images to compare with", "there are {}: leave it out"),
    "train": ("training images", "there are {}: leave it out"),
}


class FeatureMetric(Metric):
    """A metric that compares features of generated images with those of test images.

    As many training images as there are generated ones show what real images would give: the
    figures depend on the number of images. Where the data has fewer, it is all of them.

    Attributes:
        name: the plugin's name, for messages.
        most: how many images of each source are compared at most; None for all of them.
    """

    sources = frozenset({"generated", "test", "train"})
    judged = True
    name: ClassVar[str]
    most: ClassVar[int | None] = None

    def __init__(self, config: Any, data_spec: DataSpec) -> None:  # noqa: ANN401 - the metric's own class
        super().__init__(config, data_spec)
        self._features: dict[Source, list[NDArray[np.float64]]] = {source: [] for source in WORDS}

    def update(self, images: JudgedImages) -> None:
        """Keep features, of as many images as are compared."""
        wanted = math.inf if self.most is None else self.most
        if images.source == "train":
            wanted = min(wanted, self._count("generated"))
        missing = min(len(images), wanted - self._count(images.source))
        if missing > 0:  # the judge takes longer to look at all of them than everything else
            self._features[images.source].append(images.features[: int(missing)])

    def protocol(self) -> dict[str, Any]:
        """Return how many generated images were compared."""
        return {"images": self._count("generated")}

    def _count(self, source: Source) -> int:
        return sum(map(len, self._features[source]))

    def _all_compared(self) -> Iterator[NDArray[np.float64]]:
        """Yield the features (N, F) of generated, of test and of training images."""
        yield from (np.concatenate(self._features[source]) for source in WORDS)

    def _check_counts(self, least: int, reason: str) -> None:
        """Refuse to compare too few images.

        Args:
            least: how many there must be of each source.
            reason: why, for the message.

        Raises:
            InvalidValue: there are fewer.
        """
        for source, (images, remedy) in WORDS.items():
            count = self._count(source)
            if count < least:
                raise InvalidValue(
                    f"{self.name} needs at least {least} {images}, {reason}, and "
                    f"{remedy.format(count)}"
                )
