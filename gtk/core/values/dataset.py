"""Image data sets as arrays, and what a model has to know of them."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.condition import ConditionSpec
from gtk.core.values.errors import InvalidValue

#: Where there is nothing to tell images apart by: one class, of which all labels are 0.
NO_CONDITION = ConditionSpec(("image",))


@dataclass(frozen=True)
class DataSpec:
    """What a model has to know of a data set; enough to build it without the data.

    Attributes:
        name: the data set's name.
        channels: 1 for grey, 3 for colour.
        height: of an image, in pixels.
        width: of an image, in pixels.
        condition: what each image is labelled with, None where it is not.
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
        """Return the same data, whose condition a model may be given or not."""
        condition = None if self.condition is None else self.condition.with_absent()
        return replace(self, condition=condition)

    def as_json(self) -> dict[str, Any]:
        """Return the record as JSON can hold it."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return values | {"condition": None if self.condition is None else self.condition.as_json()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "DataSpec":
        """Rebuild the record from `as_json`'s result."""
        table = values["condition"]
        condition = None if table is None else ConditionSpec.from_json(table)
        return cls(**{**values, "condition": condition})


@dataclass(frozen=True)
class Split:
    """Images of one split of a data set.

    Attributes:
        images: (N, C, H, W), uint8.
        labels: as the data set's `ConditionSpec` says: (N,) int64 class labels, or (N, n) float32
            attributes or numbers; int64 zeros (N,) where the data set has no condition.
    """

    images: NDArray[np.uint8]
    labels: NDArray[Any]

    def __len__(self) -> int:
        return len(self.images)


def spread(total: int, count: int) -> NDArray[np.int64]:
    """Return at most `count` row numbers of `total`, evenly from the first to the last.

    The first ones of a data set may all be of one class.
    """
    return np.linspace(0, total - 1, min(count, total)).round().astype(np.int64)


@dataclass(frozen=True)
class Dataset:
    """A data set, decoded.

    Attributes:
        spec: what it is.
        train: images to train on, in memory or mapped into it.
        test: images to judge by.
        notes: what the user should know of how it was read, a sentence each.
        content: what changes when the files that it was read from do; "" where that is not known.

    Raises:
        InvalidValue: the arrays are not what the description says.
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
