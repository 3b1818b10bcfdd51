"""Image data sets as arrays, and what a model has to know of them."""

import operator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.errors import InvalidValue, unknown_name


@dataclass(frozen=True)
class ConditionSpec:
    """Class labels 0..n-1 with a name each.

    Attributes:
        names: the classes' names, in the order of their labels.
    """

    names: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many classes there are."""
        return len(self.names)

    def label(self, value: int | str) -> int:
        """Return the label that a number or a class name means.

        Raises:
            InvalidValue: a number outside 0..n-1.
            UnknownName: a text that is neither a class name nor a number.
        """
        if isinstance(value, str):
            if value in self.names:
                return self.names.index(value)
            if not value.removeprefix("-").isdecimal():
                raise unknown_name("label", value, self.names)
            value = int(value)
        try:
            number = operator.index(value)
        except TypeError as error:
            raise InvalidValue(f"a label is a whole number or a name, not {value!r}") from error
        if not 0 <= number < self.count:
            raise InvalidValue(
                f"label {number} is out of range: the {self.count} classes are 0..{self.count - 1}"
            )
        return number


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

    def as_json(self) -> dict[str, Any]:
        """Return the record as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "DataSpec":
        """Rebuild the record from `as_json`'s result."""
        condition = values["condition"]
        spec = ConditionSpec(tuple(condition["names"])) if condition is not None else None
        return cls(**{**values, "condition": spec})


@dataclass(frozen=True)
class Split:
    """Images of one split of a data set.

    Attributes:
        images: (N, C, H, W), uint8.
        labels: (N,), int64; zeros where the data set has no condition.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: NDArray[np.int64]) -> "Split":
        """Return the images with these row numbers."""
        return Split(self.images[rows], self.labels[rows])


@dataclass(frozen=True)
class Dataset:
    """A data set, decoded: its description, its training images and its test images.

    Raises:
        InvalidValue: the arrays are not what the description says.
    """

    spec: DataSpec
    train: Split
    test: Split

    def __post_init__(self) -> None:
        for name, split in (("train", self.train), ("test", self.test)):
            images, labels, shape = split.images, split.labels, self.spec.image_shape
            if images.dtype != np.uint8 or images.shape[1:] != shape:
                raise InvalidValue(
                    f"{self.spec.name}: the {name} images are {images.dtype} {images.shape[1:]}, "
                    f"they should be uint8 {shape}"
                )
            if labels.dtype != np.int64 or labels.shape != (len(images),):
                raise InvalidValue(
                    f"{self.spec.name}: the {name} labels are {labels.dtype} {labels.shape}, they "
                    f"should be int64 ({len(images)},)"
                )
            known = self.spec.condition
            if known is None or not len(labels):
                continue
            if not 0 <= labels.min() <= labels.max() < known.count:
                raise InvalidValue(
                    f"{self.spec.name}: the {name} labels are {labels.min()}..{labels.max()}, the "
                    f"classes are 0..{known.count - 1}"
                )
