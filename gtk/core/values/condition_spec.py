"""What each image is labelled with: the base of every kind of condition.

A row may be absent where a condition is `nullable`: then the image has no condition. Every kind
represents that by one row, `absent`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting
from gtk.core.values.value import Value

#: The names of gtk's own kinds.
Kind = Literal["classes", "attributes", "continuous"]
OWN_KINDS = get_args(Kind)
#: How a user asks for an image without a condition, besides None.
NONE = "none"
#: Every kind that has been defined, by name.
_KINDS: dict[str, type["ConditionSpec"]] = {}


@dataclass(frozen=True)
class ConditionSpec(Value):
    """What each image is labelled with.

    This is the base of the kinds of conditions; calling it makes the kind that is asked for:
    `Classes`, `Attributes`, `Numbers`, or a plugin's. A plugin adds a kind by a subclass that is a
    frozen dataclass with a `kind` of its own. It defines the `dtype` and `shape` of a row, and how
    what a user writes becomes a row.

    Attributes:
        names: of the classes, in the order of their labels; or of the attributes; or of the
            numbers of a continuous vector.
        kind: "classes": every image is of one, a label 0..n-1, int64 (). "attributes": an image has
            any of them, 0 or 1 each, float32 (n,). "continuous": each is a number, in raw units,
            float32 (n,).
        ranges: lowest and highest value of each number; of a continuous vector only.
        nullable: whether a condition may be absent. A training decides so, never a data set.
        nouns: what one of the names stands for, and several.
        by_name: whether a user writes a number for each name, NAME=NUMBER.
        has_ranges: whether it needs `ranges`.

    Raises:
        InvalidValue: names that are missing or repeated, or ranges that do not fit them.
    """

    names: tuple[str, ...]
    kind: str = "classes"
    ranges: tuple[tuple[float, float], ...] = ()
    nullable: bool = field(default=False, kw_only=True)

    role: ClassVar[str] = "condition"
    nouns: ClassVar[tuple[str, str]] = ("value", "values")
    by_name: ClassVar[bool] = False
    has_ranges = False

    def __init_subclass__(cls) -> None:
        """Register a subclass that has a kind of its own; no plugin replaces one of gtk's."""
        super().__init_subclass__()
        kind = vars(cls).get("kind")
        if kind is not None and not (kind in _KINDS and kind in OWN_KINDS):
            _KINDS[kind] = cls

    def __new__(cls, *given: Any, **named: Any) -> Self:  # noqa: ANN401 - see the fields
        """Make the kind that is asked for."""
        if cls is ConditionSpec and (given or named):  # a copy is made of its own class
            kind = given[1] if len(given) > 1 else named.get("kind", cls.kind)
            return object.__new__(find_kind(kind))  # type: ignore[return-value]
        return object.__new__(cls)

    def __post_init__(self) -> None:
        if self.kind != type(self).kind:
            raise InvalidValue(
                f"{type(self).__name__} has the kind {type(self).kind!r}, not {self.kind!r}"
            )
        if not self.names or len(set(self.names)) < len(self.names):
            raise InvalidValue(f"a condition needs names that differ, not {self.names}")
        if self.kind in OWN_KINDS and len(self.ranges) != self.count * self.has_ranges:
            raise InvalidValue(
                f"a continuous condition needs a range for each of its {self.count} numbers, any "
                f"other kind none; there are {len(self.ranges)}"
            )

    @property
    def count(self) -> int:
        """How many classes, attributes or numbers there are."""
        return len(self.names)

    @property
    def summary(self) -> str:
        """Count and noun: "1 class", "3 attributes"."""
        return f"{self.count} {self.nouns[self.count > 1]}"

    def described_names(self) -> list[str]:
        """Return the names for people; of numbers with their ranges: "age 0..90"."""
        return list(self.names)

    @property
    def port(self) -> str:
        """The name of the condition as an input of an exported file."""
        return self.kind

    @property
    def input_name(self) -> str:
        """Another name of `port`."""
        return self.port

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a row: a number for each name."""
        return (self.count,)

    @property
    def absent(self) -> NDArray[Any]:
        """The row of an image without a condition: all NaN.

        Raises:
            InvalidValue: the rows are whole numbers, and the kind does not override this.
        """
        if self.dtype.kind != "f":
            raise InvalidValue(f"a condition of kind {self.kind!r} must define its `absent` row")
        return np.full(self.shape, np.nan, self.dtype)

    def is_absent(self, rows: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which rows are absent: (N,)."""
        same = np.isnan(rows) if rows.dtype.kind == "f" else rows == self.absent
        found: NDArray[np.bool_] = same.reshape(len(rows), -1).all(axis=1)
        return found

    def with_absent(self) -> Self:
        """Return the same condition, nullable."""
        return replace(self, nullable=True)

    def encode(self, given: Any) -> NDArray[Any]:  # noqa: ANN401 - users write labels in many ways
        """Return one image's condition as a network takes it.

        Args:
            given: a class by number or name. Of attributes or a continuous vector: a mapping from
                names to numbers, where what is left out is 0 or mid-range, or all numbers in order.
                None or "none" for no condition; but a class may be called "none".

        Raises:
            InvalidValue: a number out of range, or no condition where one is required.
            UnknownName: a string that names no class, attribute or number.
        """
        if given is None or (isinstance(given, str) and given == NONE and NONE not in self.names):
            if not self.nullable:
                raise InvalidValue(
                    "an image without a condition needs a model that was trained with "
                    f"{setting('condition_dropout', example='0.1')}"
                )
            return self.absent
        return self.row(given)

    def row(self, given: Any) -> NDArray[Any]:  # noqa: ANN401 - as in encode
        """Return the row for what a user writes, except for none; a plugin's kind overrides it."""
        return super().encode(given)

    def default(self) -> NDArray[Any]:
        """Return the row that is used where a user gives no condition and one is needed."""
        return np.asarray(self.examples()[0])

    def examples(self) -> NDArray[Any]:
        """Return conditions that show its effect in pictures.

        Every class; every attribute alone; the lowest and the highest of every number, with the
        others at the middle of their ranges.

        Returns:
            (n,) int64, (n, n) float32, or (2n, n) float32.
        """
        ends = np.array(self.limits or (0,), self.dtype)
        return np.stack([np.full(self.shape, end, self.dtype) for end in ends])

    def example_names(self) -> list[str]:
        """Return the names of the `examples`: of a class, of an attribute, or "age 20"."""
        return [self.name(row) for row in self.examples()]

    def cycle(self, count: int | None = None) -> NDArray[Any]:
        """Return `count` rows that cycle through the examples; by default each of them once."""
        examples = self.examples()
        return examples[np.arange(len(examples) if count is None else count) % len(examples)]

    def kinds_of_rows(self) -> NDArray[Any]:
        """Return the rows that a file is proven on: the examples, and `absent` if nullable."""
        rows = self.examples()
        return np.concatenate([rows, self.absent[None]]) if self.nullable else rows

    def cases(self, count: int, first: int) -> NDArray[Any]:
        """Return rows that cycle through `kinds_of_rows`, from the last one downwards."""
        rows = self.kinds_of_rows()[::-1]
        return rows[np.arange(first, first + count) % len(rows)]

    def typical(self, count: int) -> NDArray[Any]:
        """Return rows that cycle through the examples."""
        return self.cycle(count)

    def written(self, count: int) -> list[Any]:
        """Return conditions for `count` images as a user could write them."""
        return self.cycle(count).tolist()  # type: ignore[no-any-return]

    @property
    def domain(self) -> str:
        """The limits of its numbers in words: "0..9", "0 or 1 each"."""
        return "" if self.limits is None else "{:g}..{:g}".format(*self.limits)

    def name(self, row: NDArray[Any]) -> str:
        """Return the name of one image's condition: "3", "roof, wall", "slope -4.2"."""
        absent = self.nullable and self.is_absent(row[None])[0]
        return NONE if absent else self._present_name(row)

    def check(self, rows: NDArray[Any], count: int, what: str) -> None:
        """Refuse labels as `Value.check` does, and values out of range."""
        super().check(rows, count, what)
        present = rows[~self.is_absent(rows)] if self.nullable else rows
        if len(present):
            self._check_present(present, what)

    def unlearnable(self, rows: NDArray[Any]) -> list[str]:
        """Return the names that cannot be learned from these rows: their number never differs."""
        constant = rows.min(axis=0) == rows.max(axis=0)
        return [name for name, same in zip(self.names, constant, strict=True) if same]

    def as_json(self) -> dict[str, Any]:
        """Return the record for JSON, without `nullable`, which a training decides."""
        names = (item.name for item in fields(self))
        return {name: getattr(self, name) for name in names if name != "nullable"}

    @staticmethod
    def from_json(table: Mapping[str, Any]) -> "ConditionSpec":
        """Rebuild the record from `as_json`'s result.

        Raises:
            InvalidValue: a kind that no imported module defines.
        """
        kind = table.get("kind", "classes")
        values = {name: _tuples(value) for name, value in table.items()} | {"kind": kind}
        if "ranges" in values:
            values["ranges"] = tuple((float(low), float(high)) for low, high in values["ranges"])
        return find_kind(kind)(**values)

    def manifest(self) -> dict[str, Any]:
        """Return its entry in the manifest of an exported file."""
        table: dict[str, Any] = {
            "input": self.port,
            "kind": self.kind,
            "count": self.count,
            "names": list(self.names),
            "ranges": None,
        }
        if self.limits is not None and self.kind not in OWN_KINDS:
            table["range"] = [*self.limits]
        if self.nullable:
            table["absent"] = "NaN" if self.dtype.kind == "f" else self.absent.tolist()
        return table

    def _present_name(self, row: NDArray[Any]) -> str:
        return ", ".join(f"{number:.3g}" for number in row.reshape(-1).tolist())

    def _check_present(self, rows: NDArray[Any], what: str) -> None:
        if self.limits is not None:
            self.rows(rows, what)


def find_kind(kind: Any) -> type[ConditionSpec]:  # noqa: ANN401 - a value from a file or a user
    """Return the class of a kind: gtk's own, or one of a plugin that has been imported.

    Raises:
        InvalidValue: no such kind.
    """
    if kind not in _KINDS:
        raise InvalidValue(f"unknown kind of condition {kind!r}. Use {', '.join(_KINDS)}.")
    return _KINDS[kind]


def _tuples(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
