"""Image data sets as arrays, and their description for models."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.condition import ConditionSpec
from gtk.core.values.errors import InvalidValue

#: Stands for a missing condition: one class, so all labels are 0.
NO_CONDITION = ConditionSpec(("image",))


@dataclass(frozen=True)
class DataSpec:
    """The description of a data set; enough to build a model without the data.

    Attributes:
        name: the data set's name.
        channels: 1 for grey, 3 for colour.
        height: of an image, in pixels.
        width: of an image, in pixels.
        condition: what each image is labelled with, None for unlabelled images.
    """

    name: str
    channels: int
    height: int
    width: int
    condition: ConditionSpec | None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return self.channels, self.height, self.width

    def with_absent(self) -> "DataSpec":
        """Return the same description with a condition that is nullable."""
        condition = None if self.condition is None else self.condition.with_absent()
        return replace(self, condition=condition)

    def as_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        condition = None if self.condition is None else self.condition.as_json()
        return vars(self) | {"condition": condition}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "DataSpec":
        """Rebuild the record from `as_json`'s result."""
        table = values["condition"]
        condition = None if table is None else ConditionSpec.from_json(table)
        return cls(**(values | {"condition": condition}))


@dataclass(frozen=True)
class Split:
    """The images and labels of one split of a data set.

    Attributes:
        images: (N, C, H, W), uint8.
        labels: rows of the data set's `ConditionSpec`: (N,) int64 class labels, or (N, n) float32
            attributes or numbers; int64 zeros (N,) without a condition.
    """

    images: NDArray[np.uint8]
    labels: NDArray[Any]

    def __len__(self) -> int:
        return len(self.images)


def spread(total: int, count: int) -> NDArray[np.int64]:
    """Return at most `count` row numbers of `total`, evenly from the first to the last."""
    # Not the first rows, which may all be of one class.
    return np.linspace(0, total - 1, min(count, total)).round().astype(np.int64)


@dataclass(frozen=True)
class Dataset:
    """A data set, decoded.

    Attributes:
        spec: its description.
        train: images to train on, in memory or memory-mapped.
        test: images to judge by.
        notes: what the user should know about how it was read, a sentence each.
        content: a text that changes when the files that it was read from do; "" if unknown.

    Raises:
        InvalidValue: the arrays do not fit the description.
    """

    spec: DataSpec
    train: Split
    test: Split
    notes: tuple[str, ...] = ()
    content: str = ""

    def __post_init__(self) -> None:
        for name, split in (("train", self.train), ("test", self.test)):
            images, labels, shape = split.images, split.labels, self.spec.image_shape
            if images.dtype != np.uint8 or images.shape[1:] != shape:
                raise InvalidValue(
                    f"{self.spec.name}: the {name} images are {images.dtype} {images.shape[1:]}, "
                    f"they should be uint8 {shape}"
                )
            known = self.spec.condition or NO_CONDITION
            known.check(labels, len(images), f"{self.spec.name}: the {name} labels")
