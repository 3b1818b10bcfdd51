"""What the images of a data set are labelled with, and how a user says which label is wanted."""

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.errors import InvalidValue, unknown_name

#: The most digits of a label that are read: no data set has so many classes.
LONGEST_NUMBER = 20

Kind = Literal["classes", "attributes", "continuous"]


@dataclass(frozen=True)
class ConditionSpec:
    """What each image is labelled with.

    Attributes:
        names: of the classes, in the order of their labels; or of the attributes; or of the
            numbers of a continuous vector.
        kind: "classes": every image has one of them, a label 0..n-1, int64 (). "attributes": each
            of them is there or not, 0 or 1, float32 (n,). "continuous": each is a number, in raw
            units, float32 (n,).
        ranges: lowest and highest value of each number; of a continuous vector only.

    Raises:
        InvalidValue: names that are missing or double, or ranges that do not fit them.
    """

    names: tuple[str, ...]
    kind: Kind = "classes"
    ranges: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise InvalidValue(f"a condition is {', '.join(get_args(Kind))}, not '{self.kind}'")
        if not self.names or len(set(self.names)) < len(self.names):
            raise InvalidValue(f"a condition needs names that differ, not {self.names}")
        if len(self.ranges) != (self.count if self.kind == "continuous" else 0):
            raise InvalidValue(
                f"a continuous condition needs a range for each of its {self.count} numbers, any "
                f"other none; there are {len(self.ranges)}"
            )
        for name, (low, high) in zip(self.names, self.ranges, strict=False):
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise InvalidValue(f"the range of {name} is {low}..{high}, which is none")

    @property
    def count(self) -> int:
        """How many classes, attributes or numbers there are."""
        return len(self.names)

    @property
    def input_name(self) -> str:
        """What the condition is called as an input of an exported file."""
        return {"classes": "label", "attributes": "attributes", "continuous": "values"}[self.kind]

    def encode(self, value: Any) -> NDArray[Any]:  # noqa: ANN401 - users write labels in many ways
        """Return one image's condition as a network takes it.

        Args:
            value: a class by number or name. Of attributes or a continuous vector: a mapping from
                names to numbers, where what is left out is 0 or mid-range, or all numbers in order.

        Raises:
            InvalidValue: a number outside what is possible.
            UnknownName: a text that is no name of a class, attribute or number.
        """
        if self.kind == "classes":
            return np.array(self.label(value), dtype=np.int64)
        return self._vector(value)

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
            value = int(value[:LONGEST_NUMBER])
        try:
            number = operator.index(value)
        except TypeError as error:
            raise InvalidValue(f"a label is a whole number or a name, not {value!r}") from error
        if isinstance(value, bool):
            raise InvalidValue(f"a label is a whole number or a name, not {value!r}")
        if not 0 <= number < self.count:
            raise InvalidValue(
                f"label {number} is out of range: the {self.count} classes are 0..{self.count - 1}"
            )
        return number

    def examples(self) -> NDArray[Any]:
        """Return conditions that show what the condition does, for pictures.

        Every class; every attribute alone; the lowest and the highest of every number, with the
        others at the middle of their ranges.

        Returns:
            (n,) int64, (n, n) float32, or (2n, n) float32.
        """
        if self.kind == "classes":
            return np.arange(self.count, dtype=np.int64)
        if self.kind == "attributes":
            return np.eye(self.count, dtype=np.float32)
        rows = [
            {name: end} for name, ends in zip(self.names, self.ranges, strict=True) for end in ends
        ]
        return np.stack([self._vector(row) for row in rows])

    def example_names(self) -> list[str]:
        """Return what each of `examples` is called: a class, an attribute, or "age 20"."""
        if self.kind != "continuous":
            return list(self.names)
        return [
            f"{name} {end:g}"
            for name, ends in zip(self.names, self.ranges, strict=True)
            for end in ends
        ]

    def check(self, labels: NDArray[Any], images: int, what: str) -> None:
        """Refuse labels that are not of this kind.

        Args:
            labels: of a whole split.
            images: how many images it has.
            what: whose labels they are, for messages.

        Raises:
            InvalidValue: a wrong type or shape, or values out of range.
        """
        dtype, shape = (np.int64, ()) if self.kind == "classes" else (np.float32, (self.count,))
        if labels.dtype != dtype or labels.shape != (images, *shape):
            raise InvalidValue(
                f"{what} are {labels.dtype} {labels.shape}, they should be {np.dtype(dtype)} "
                f"{(images, *shape)}"
            )
        if not len(labels):
            return
        if self.kind == "classes":
            if not 0 <= labels.min() <= labels.max() < self.count:
                raise InvalidValue(
                    f"{what} are {labels.min()}..{labels.max()}, the classes are "
                    f"0..{self.count - 1}"
                )
            return
        for column, name in enumerate(self.names):
            low, high = self._range(name)
            values = labels[:, column]
            if not (low <= values.min() and values.max() <= high):  # so that NaN is refused, too
                raise InvalidValue(
                    f"{what} have {name} in {values.min():g}..{values.max():g}, it should be in "
                    f"{low:g}..{high:g}"
                )

    def _range(self, name: str) -> tuple[float, float]:
        return self.ranges[self.names.index(name)] if self.ranges else (0.0, 1.0)

    def _vector(self, value: Any) -> NDArray[np.float32]:  # noqa: ANN401 - as in encode
        """Return the numbers as float32 (n,)."""
        if not isinstance(value, Mapping):
            if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
                raise InvalidValue(f"give {', '.join(self.names)} by name, not {value!r}")
            if len(value) != self.count:
                raise InvalidValue(f"{len(value)} numbers for {', '.join(self.names)}: give all")
            value = dict(zip(self.names, value, strict=True))
        middle = [sum(ends) / 2 for ends in self.ranges] or [0.0] * self.count
        numbers = dict(zip(self.names, middle, strict=True))
        for name, number in value.items():
            if name not in numbers:
                raise unknown_name("condition", name, self.names)
            low, high = self._range(name)
            try:
                fits = low <= float(number) <= high
            except (TypeError, ValueError):
                fits = False
            if not fits:
                raise InvalidValue(f"{name} is a number in {low:g}..{high:g}, not {number!r}")
            numbers[name] = float(number)
        return np.array(list(numbers.values()), dtype=np.float32)
