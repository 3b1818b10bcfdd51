"""What flows into and out of models and exported files: rows of one type and one shape."""

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
        role: its kind in the manifest of an exported file: "latent", "condition", "image", "codes",
            or "values" for anything else.
        exact: whether half precision would lose information, as for numbers in a user's own units.
        shape: of one row, without the batch.
    """

    role: ClassVar[str] = "values"
    exact: ClassVar[bool] = False

    if TYPE_CHECKING:  # at run time, dataclasses would take a property for a field's default

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
        """The lowest and the highest number, None for any finite ones."""
        return None

    @property
    def choices(self) -> int | None:
        """How many things its whole numbers choose from, counted from 0; None for other numbers."""
        return None

    @abstractmethod
    def cases(self, count: int, first: int) -> NDArray[Any]:
        """Return rows to compare an exported file and its model on: (count, *shape).

        Args:
            count: how many.
            first: how many came before; another number gives other rows.
        """

    def typical(self, count: int) -> NDArray[Any]:
        """Return rows as an app gives them, to measure the time that they take: (count, *shape)."""
        return self.cases(count, 0)

    def rows(self, given: Any, name: str, least: int = 1) -> NDArray[Any]:  # noqa: ANN401 - an array or lists
        """Return a user's rows as a graph takes them: (N, *shape) of `dtype`.

        Args:
            given: the rows.
            name: of the argument, for messages.
            least: how many rows there must be.

        Raises:
            InvalidValue: another shape or type, or numbers that are not finite or out of range.
        """
        wanted = f"{name} must be {self.dtype} numbers of the shape "
        wanted += f"({', '.join(map(str, ('rows', *self.shape)))})"
        try:
            array = np.asarray(given)
        except ValueError as error:
            raise InvalidValue(f"{wanted}, not lists of different lengths") from error
        if array.dtype.kind not in ("biu" if self.dtype.kind in "iu" else "biuf"):
            raise InvalidValue(f"{wanted}, not {array.dtype}")
        if array.ndim == 0 or array.shape[1:] != self.shape or len(array) < least:
            raise InvalidValue(f"{wanted}, not {array.shape}")
        if self.limits is not None:
            low, high = self.limits
            if not (low <= array.min() and array.max() <= high):  # so that NaN is refused, too
                raise InvalidValue(
                    f"{name} must be in {low}..{high}, not {array.min():g}..{array.max():g}"
                )
        with np.errstate(over="ignore"):
            rows: NDArray[Any] = array.astype(self.dtype)
        if rows.dtype.kind == "f" and not np.isfinite(rows).all():
            raise InvalidValue(f"{name} must be finite")
        return rows

    def encode(self, given: Any) -> NDArray[Any]:  # noqa: ANN401 - users write values in many ways
        """Return one row for what a user writes; raise InvalidValue as `rows` does."""
        row: NDArray[Any] = self.rows([given], self.port)[0]
        return row

    def check(self, rows: NDArray[Any], count: int, what: str) -> None:
        """Refuse an array that is not `count` rows of this value.

        Args:
            rows: as a data set or a model holds them.
            count: the number of rows there must be.
            what: what the rows belong to, for messages.

        Raises:
            InvalidValue: a wrong type or shape.
        """
        shape = (count, *self.shape)
        if rows.dtype != self.dtype or rows.shape != shape:
            raise InvalidValue(
                f"{what} are {rows.dtype} {rows.shape}, they should be {self.dtype} {shape}"
            )


def ports(*values: Value | None) -> Mapping[str, Value]:
    """Return inputs or outputs under their usual names, in order, leaving out None."""
    return {value.port: value for value in values if value is not None}


@dataclass(frozen=True)
class Array(Value):
    """Numbers without a further meaning: a mean, a score.

    Attributes:
        shape: of one row.
        number: the name of their type: "float32", "int64", "uint8".
        ends: the lowest and the highest one, None for any finite ones.
    """

    shape: tuple[int, ...]
    number: str = "float32"
    ends: tuple[float, float] | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type called `number`."""
        return np.dtype(self.number)

    @property
    def limits(self) -> tuple[float, float] | None:
        """The `ends`."""
        return self.ends

    def cases(self, count: int, first: int) -> NDArray[Any]:
        """Return numbers between the ends, or around 0."""
        low, high = self.ends or (-1.0, 1.0)
        drawn = np.random.default_rng(first).uniform(low, high, (count, *self.shape))
        rows: NDArray[Any] = drawn.astype(self.dtype)
        return rows
