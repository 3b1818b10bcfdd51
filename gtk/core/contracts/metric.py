"""The contract Metric: how images are judged. It does not import torch."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.figure import Figure, FigureSpec

#: Where images are from: made by what is evaluated, or of a split of the data.
Source: TypeAlias = Literal["generated", "train", "test"]


class Judge(Protocol):
    """A classifier of the data's classes, trained on the training images alone."""

    def look(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the features (N, F) and the logits (N, classes) of images (N, C, H, W)."""


class JudgedImages:
    """Some images, and what the judge sees in them: computed once for all metrics, if any asks.

    Attributes:
        images: (N, C, H, W), uint8.
        condition: what each was made for, or is labelled with, as rows of the data's
            `ConditionSpec`; None where there is no condition.
        source: where they are from.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        condition: NDArray[Any] | None,
        source: Source,
        judge: Judge | None = None,
    ) -> None:
        self.images, self.condition, self.source = images, condition, source
        self._judge = judge

    def __len__(self) -> int:
        return len(self.images)

    @property
    def features(self) -> NDArray[np.float64]:
        """The judge's features, (N, F)."""
        return self._seen[0]

    @property
    def logits(self) -> NDArray[np.float64]:
        """The judge's logits, (N, classes).

        Raises:
            InvalidValue: the judge does not know the data's classes.
        """
        logits = self._seen[1]
        if not logits.shape[1]:
            raise InvalidValue(
                "this judge has features alone: a metric that reads logits sets `classified`"
            )
        return logits

    @cached_property
    def _seen(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self._judge is None:
            raise InvalidValue("there is no judge here: a metric that asks for one sets `judged`")
        return self._judge.look(self.images)


class Metric(ABC):
    """A way to judge what was drawn; one object judges one set of images.

    gtk calls `update` with batches of each of its `sources`: first all generated images, then the
    test images, then the training images. Any number of the first are a fair choice of a source,
    since its images come in a random order, which is always the same. Then it calls `compute` once.

    Args:
        config: the plugin's options.
        data_spec: the images, with the condition that the generated ones were made for, None
            where they have none.

    Attributes:
        figures: what `compute` returns, by name.
        sources: whose images it needs.
        judged: whether it reads features or logits, for which data with classes have a judge.
        classified: whether it reads logits, so that the judge has to know the data's classes.
        requires: the protocol of the methods that it calls on a model, or a class of models; None
            where any images will do.
        model: the evaluated model where there is such a protocol: in eval mode, on its device, and
            not to be changed.

    Raises:
        InvalidValue: the data, or their condition, do not fit.
    """

    figures: ClassVar[Mapping[str, FigureSpec]]
    sources: ClassVar[frozenset[Source]] = frozenset({"generated"})
    judged: ClassVar[bool] = False
    classified: ClassVar[bool] = False
    requires: ClassVar[type | None] = None
    model: Any = None

    def __init__(self, config: Any, data_spec: DataSpec) -> None:  # noqa: ANN401 - the plugin's own class
        self.config, self.data_spec = config, data_spec

    @abstractmethod
    def update(self, images: JudgedImages) -> None:
        """Take in some images, without changing them; how they are batched changes no figure."""

    @abstractmethod
    def compute(self) -> Mapping[str, Figure | float]:
        """Return the value of each of its figures: a pure function of what it was given.

        Raises:
            InvalidValue: there are too few images.
        """

    def details(self) -> Mapping[str, Any]:
        """Return more for programs, as JSON has it, such as a table by class; after `compute`."""
        return {}

    def protocol(self) -> Mapping[str, Any]:
        """Return what else its figures depend on, as JSON has it: by default nothing.

        Data, number of generated images, judge, package and options are recorded for every metric;
        one that looks at fewer images, or at others, returns their number as "images".
        """
        return {}
