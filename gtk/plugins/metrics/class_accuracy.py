"""The metric `class-accuracy`: whether generated images show the class that was asked for."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gtk.core.contracts.metric import JudgedImages, Metric
from gtk.core.registry.spec import NoConfig
from gtk.core.values.classes import Classes
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.figure import Figure, FigureSpec
from gtk.plugins.metrics.interval import share


class ClassAccuracy(Metric):
    """The share of generated images in which the judge sees the class that was asked for.

    Images that were made without a condition are not counted. It depends on the judge's own
    mistakes: no more than its accuracy on real images can be expected.

    Raises:
        InvalidValue: the generated images have no condition, or one that is not classes.
    """

    figures: ClassVar[Mapping[str, FigureSpec]] = {
        "accuracy": FigureSpec("images that show their class", share=True, better="higher"),
        "worst_class": FigureSpec("the same of the worst class", share=True, better="higher"),
    }
    judged = classified = True

    def __init__(self, config: NoConfig, data_spec: DataSpec) -> None:
        super().__init__(config, data_spec)
        condition = data_spec.condition
        if not isinstance(condition, Classes):
            raise InvalidValue(
                "class-accuracy needs images that were made for classes, and these were not: leave "
                "it out"
            )
        self._classes = condition
        #: How many images of each class that was asked for (rows) show which class (columns).
        self._confusion = np.zeros((condition.count, condition.count), np.int64)

    def update(self, images: JudgedImages) -> None:
        """Count what the judge sees."""
        if images.condition is None:
            return
        present = ~self._classes.is_absent(images.condition)
        seen = images.logits.argmax(axis=1)
        np.add.at(self._confusion, (images.condition[present], seen[present]), 1)

    def compute(self) -> dict[str, Figure]:
        """Return the share of all images, and that of the class where it is lowest.

        Raises:
            InvalidValue: there was no image that was made for a class.
        """
        asked, right = self._asked, self._confusion.diagonal()
        if not asked.any():
            raise InvalidValue(
                "class-accuracy was given no image that was made for a class: generate images with "
                "a condition, or leave it out"
            )
        worst = min(np.flatnonzero(asked), key=lambda label: right[label] / asked[label])
        return {
            "accuracy": share(int(right.sum()), int(asked.sum())),
            "worst_class": share(int(right[worst]), int(asked[worst])),
        }

    def details(self) -> dict[str, Any]:
        """Return the share of each class that was asked for, by name, and the whole table.

        Of "confusion", a row is a class that was asked for, a column one that was seen; "names" has
        the names of all of them, in order.
        """
        shares = self._confusion.diagonal() / np.maximum(self._asked, 1)
        classes = {
            name: float(shares[label])
            for label, name in enumerate(self._classes.names)
            if self._asked[label]
        }
        return {
            "classes": classes,
            "confusion": self._confusion.tolist(),
            "names": list(self._classes.names),
        }

    @property
    def _asked(self) -> NDArray[np.int64]:
        """How many images of each class were asked for."""
        counts: NDArray[np.int64] = self._confusion.sum(axis=1)
        return counts
