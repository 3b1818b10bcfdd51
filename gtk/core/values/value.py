"""What flows into and out of models and their exported files: rows of one type and one shape."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.errors import InvalidValue


class Value(ABC):
    """One thing that flows: a class label, an image, noise, ...

    Attributes:
        role: what the manifest of an exported file calls such an input or output: "latent",
            "condition", "image", "codes", or "values" for anything else.
        port: the usual name of such an input or output.
        shape: of one row, without the batch.
    """

    role: ClassVar[str] = "values"

    if TYPE_CHECKING:  # while it runs, a property would be taken for the default of a field

        @property
        @abstractmethod
        def shape(self) -> tuple[int, ...]:
            """The shape of one row, without the batch."""

    @property
    def port(self) -> str:
        """The usual name of an input or output that holds it."""
        return self.role

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its numbers."""
        return np.dtype(np.float32)

    @property
    def limits(self) -> tuple[float, float] | None:
        """The lowest and the highest number there may be, None where any finite one may."""
        return None

    @property
    def choices(self) -> int | None:
        """How many things its whole numbers choose from, counted from 0; None for other numbers."""
        return None

    @property
    def exact(self) -> bool:
        """Whether half precision would lose what it says, as numbers in a user's own units."""
        return False

    @abstractmethod
    def cases(self, count: int, first: int) -> NDArray[Any]:
        """Return rows to compare an exported file and its model with: (count, *shape).

        Args:
            count: how many.
            first: how many came before: another number, other rows.
        """

    def rows(self, given: Any, name: str) -> NDArray[Any]:  # noqa: ANN401 - an array or lists
        """Return rows that a user gives as a graph takes them: (N, *shape) of `dtype`.

        Args:
            given: one row or more.
            name: what they are called, for messages.

        Raises:
            InvalidValue: another shape or type, or numbers that are not finite or out of range.
        """
        array = _as_array(self, given, name)
        if self.limits is not None:
            low, high = self.limits
            if not (low <= array.min() and array.max() <= high):  # so that NaN is refused, too
                raise InvalidValue(
                    f"{name} has values in {low}..{high}, not {array.min():g}..{array.max():g}"
                )
        with np.errstate(over="ignore"):
            rows: NDArray[Any] = array.astype(self.dtype)
        if rows.dtype.kind == "f" and not np.isfinite(rows).all():
            raise InvalidValue(f"{name} is finite numbers: some of these are not")
        return rows

    def encode(self, given: Any) -> NDArray[Any]:  # noqa: ANN401 - users write values in many ways
        """Return one row for what a user writes.

        Raises:
            InvalidValue: it means no such value.
        """
        row: NDArray[Any] = self.rows([given], self.port)[0]
        return row

    def check(self, rows: NDArray[Any], count: int, what: str) -> None:
        """Refuse an array that is not `count` rows of this value.

        Args:
            rows: as a data set or a model holds them.
            count: how many there have to be.
            what: what the rows belong to, for messages.

        Raises:
            InvalidValue: a wrong type or shape.
        """
        if rows.dtype != self.dtype or rows.shape != (count, *self.shape):
            raise InvalidValue(
                f"{what} are {rows.dtype} {rows.shape}, they should be {self.dtype} "
                f"{(count, *self.shape)}"
            )


def ports(*values: Value | None) -> Mapping[str, Value]:
    """Return inputs or outputs under their usual names, in order; what is None is left out."""
    return {value.port: value for value in values if value is not None}


@dataclass(frozen=True)
class Array(Value):
    """Numbers that are nothing more: a mean, a score.

    Attributes:
        shape: of one row.
        number: the name of their type: "float32", "int64", "uint8".
        ends: the lowest and the highest one, None where any finite one may be.
    """

    shape: tuple[int, ...]
    number: str = "float32"
    ends: tuple[float, float] | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its numbers."""
        return np.dtype(self.number)

    @property
    def limits(self) -> tuple[float, float] | None:
        """As it was told."""
        return self.ends

    def cases(self, count: int, first: int) -> NDArray[Any]:
        """Return numbers between the ends, or around 0."""
        low, high = self.ends or (-1.0, 1.0)
        drawn = np.random.default_rng(first).uniform(low, high, (count, *self.shape))
        rows: NDArray[Any] = drawn.astype(self.dtype)
        return rows


def _as_array(value: Value, given: Any, name: str) -> NDArray[Any]:  # noqa: ANN401 - as in rows
    """Return one row or more of numbers that can become the value's.

    Raises:
        InvalidValue: another shape or type.
    """
    shape = ", ".join(map(str, ("rows", *value.shape)))
    wanted = f"{name} is {value.dtype} numbers of the shape ({shape})"
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise InvalidValue(f"{wanted}, not lists of different lengths") from error
    if array.dtype.kind not in ("biu" if value.dtype.kind in "iu" else "biuf"):
        raise InvalidValue(f"{wanted}, not {array.dtype}")
    if array.ndim == 0 or array.shape[1:] != value.shape or not len(array):
        raise InvalidValue(f"{wanted}, not {array.shape}")
    return array
