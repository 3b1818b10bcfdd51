"""What the images of a data set are labelled with, and how a user says which label is wanted.

A row may be absent where a condition is `nullable`: then the image has no condition. Every kind has
one row that means so, and hands on whether rows are it.
"""

import math
import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.errors import InvalidValue, unknown_name
from gtk.core.values.setting import setting
from gtk.core.values.value import Value

#: The names of gtk's own kinds.
Kind = Literal["classes", "attributes", "continuous"]
#: The most digits of a number that are read: int() takes the square of their number.
LONGEST_NUMBER = 1000
#: A whole number as text.
WHOLE = re.compile(r"-?[0-9]+")
#: How a user writes that an image shall have no condition, besides None.
NONE = "none"


@dataclass(frozen=True)
class ConditionSpec(Value):
    """What each image is labelled with.

    This is the common base of the kinds of conditions, and makes the one that is asked for:
    `Classes`, `Attributes`, `Numbers`, or a plugin's. A plugin adds a kind by a subclass that is a
    frozen dataclass and has a `kind` of its own; it says what `dtype` and `shape` a row has, and
    how what a user writes becomes a row.

    Attributes:
        names: of the classes, in the order of their labels; or of the attributes; or of the
            numbers of a continuous vector.
        kind: "classes": every image has one of them, a label 0..n-1, int64 (). "attributes": each
            of them is there or not, 0 or 1, float32 (n,). "continuous": each is a number, in raw
            units, float32 (n,).
        ranges: lowest and highest value of each number; of a continuous vector only.
        nullable: whether an image may have none of it. A training decides so, never a data set.
        nouns: what one of the names stands for, and several.
        by_name: whether a user writes a number for each name, NAME=NUMBER.

    Raises:
        InvalidValue: names that are missing or double, or ranges that do not fit them.
    """

    names: tuple[str, ...]
    kind: str = "classes"
    ranges: tuple[tuple[float, float], ...] = ()
    nullable: bool = field(default=False, kw_only=True)

    role: ClassVar[str] = "condition"
    nouns: ClassVar[tuple[str, str]] = ("value", "values")
    by_name: ClassVar[bool] = False

    def __new__(cls, *given: Any, **named: Any) -> Self:  # noqa: ANN401 - see the fields
        """Make the kind that is asked for."""
        if cls is ConditionSpec and (given or named):  # a copy is made of its own class
            kind = given[1] if len(given) > 1 else named.get("kind", cls.kind)
            return object.__new__(find_kind(kind))  # type: ignore[return-value]
        return object.__new__(cls)

    def __post_init__(self) -> None:
        if self.kind != type(self).kind:
            raise InvalidValue(
                f"{type(self).__name__} is of kind {type(self).kind}, not {self.kind}"
            )
        if not self.names or len(set(self.names)) < len(self.names):
            raise InvalidValue(f"a condition needs names that differ, not {self.names}")
        wanted = self.count if isinstance(self, Numbers) else 0
        if type(self) in BUILT_IN and len(self.ranges) != wanted:
            raise InvalidValue(
                f"a continuous condition needs a range for each of its {self.count} numbers, any "
                f"other none; there are {len(self.ranges)}"
            )

    @property
    def count(self) -> int:
        """How many classes, attributes or numbers there are."""
        return len(self.names)

    @property
    def summary(self) -> str:
        """How many of what there are: "1 class", "3 attributes"."""
        return f"{self.count} {self.nouns[self.count > 1]}"

    @property
    def port(self) -> str:
        """What the condition is called as an input of an exported file."""
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
        """The row of an image without a condition: no number in any place.

        Raises:
            InvalidValue: the rows are whole numbers, and the kind does not say which means none.
        """
        if self.dtype.kind != "f":
            raise InvalidValue(f"a condition of kind {self.kind} says no row for its `absent`")
        return np.full(self.shape, np.nan, self.dtype)

    def is_absent(self, rows: NDArray[Any]) -> NDArray[np.bool_]:
        """Say which rows are absent: (N,)."""
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
            InvalidValue: a number outside what is possible, or none where there has to be one.
            UnknownName: a text that names no class, attribute or number.
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
        """Return the row for what a user writes, which is not none. A plugin's kind overrides it.

        Raises:
            UserError: as in `encode`.
        """
        return super().encode(given)

    def default(self) -> NDArray[Any]:
        """Return the row of an image of which nothing is said where one is needed."""
        return np.asarray(self.examples()[0])

    def examples(self) -> NDArray[Any]:
        """Return conditions that show what the condition does, for pictures.

        Every class; every attribute alone; the lowest and the highest of every number, with the
        others at the middle of their ranges.

        Returns:
            (n,) int64, (n, n) float32, or (2n, n) float32.
        """
        ends = np.array(self.limits or (0,), self.dtype)
        return np.stack([np.full(self.shape, end, self.dtype) for end in ends])

    def example_names(self) -> list[str]:
        """Return what each of `examples` is called: a class, an attribute, or "age 20"."""
        return [self.name(row) for row in self.examples()]

    def cycle(self, count: int | None = None) -> NDArray[Any]:
        """Return so many rows that cycle through the examples; by default each of them once."""
        examples = self.examples()
        return examples[np.arange(len(examples) if count is None else count) % len(examples)]

    def kinds_of_rows(self) -> NDArray[Any]:
        """Return what a file has to be right for: the examples, and where it may be, none."""
        rows = self.examples()
        return np.concatenate([rows, self.absent[None]]) if self.nullable else rows

    def cases(self, count: int, first: int) -> NDArray[Any]:
        """Return rows that take turns, from the last one downwards."""
        rows = self.kinds_of_rows()
        return rows[len(rows) - 1 - np.arange(first, first + count) % len(rows)]

    def name(self, row: NDArray[Any]) -> str:
        """Return what one image's condition is called: "3", "roof, wall", "slope -4.2"."""
        return NONE if self.nullable and self.is_absent(row[None])[0] else self._named(row)

    def check(self, rows: NDArray[Any], count: int, what: str) -> None:
        """Refuse labels that are not of this kind.

        Args:
            rows: labels of a whole split.
            count: how many images it has.
            what: whose labels they are, for messages.

        Raises:
            InvalidValue: a wrong type or shape, or values out of range.
        """
        super().check(rows, count, what)
        present = rows[~self.is_absent(rows)] if self.nullable else rows
        if len(present):
            self._check_present(present, what)

    def as_json(self) -> dict[str, Any]:
        """Return the record as JSON can hold it; whether it is nullable is not the data's."""
        names = [item.name for item in fields(self) if item.name != "nullable"]
        return {name: getattr(self, name) for name in names}

    @staticmethod
    def from_json(table: Mapping[str, Any]) -> "ConditionSpec":
        """Rebuild the record from `as_json`'s result.

        Raises:
            UnknownName: no kind that is known by now goes by that name.
        """
        kind = table.get("kind", "classes")
        values = {name: _tuples(value) for name, value in table.items()} | {"kind": kind}
        if "ranges" in values:
            values["ranges"] = tuple((float(low), float(high)) for low, high in values["ranges"])
        return find_kind(kind)(**values)

    def manifest(self) -> dict[str, Any]:
        """Return what an exported file says of it, beside the type and shape of its port."""
        ends = {} if self.limits is None or type(self) in BUILT_IN else {"range": [*self.limits]}
        none = {}
        if self.nullable:
            none = {"absent": "NaN" if self.dtype.kind == "f" else self.absent.tolist()}
        return {
            "input": self.port,
            "kind": self.kind,
            "count": self.count,
            "names": list(self.names),
            "ranges": self._manifest_ranges(),
            **ends,
            **none,
        }

    @staticmethod
    def from_manifest(
        table: Mapping[str, Any], dtype: str, shape: tuple[int, ...]
    ) -> "ConditionSpec":
        """Rebuild it from an exported file; a kind that is not gtk's own is its type and shape.

        Args:
            table: as `manifest` returned it; of an older file it lacks what came later.
            dtype: of its port.
            shape: of its port, without the batch.
        """
        names, kind, nullable = tuple(table["names"]), table["kind"], "absent" in table
        known = {item.kind: item for item in BUILT_IN}
        if kind not in known:
            ends = table.get("range")
            none = table.get("absent")
            return OtherCondition(
                names, kind, nullable=nullable, number=dtype, row_shape=shape,
                ends=None if ends is None else tuple(ends), none=None if none == "NaN" else none,
            )  # fmt: skip
        ranges = [tuple(ends) for ends in table["ranges"]] if known[kind] is Numbers else []
        return known[kind](names, ranges=tuple(ranges), nullable=nullable)

    def _named(self, row: NDArray[Any]) -> str:
        return ", ".join(f"{number:.3g}" for number in row.reshape(-1).tolist())

    def _check_present(self, rows: NDArray[Any], what: str) -> None:
        if self.limits is not None:
            self.rows(rows, what)

    def _manifest_ranges(self) -> list[list[float]] | None:
        return None


@dataclass(frozen=True)
class Classes(ConditionSpec):
    """One of several classes: a label 0..n-1, int64 (); n where it is absent.

    A number that a user writes is a label, except where the names of all classes are whole numbers
    that differ as numbers: then it means the class of that number.
    """

    kind: str = "classes"

    nouns: ClassVar[tuple[str, str]] = ("class", "classes")

    @property
    def port(self) -> str:
        """Each is one label."""
        return "label"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of an index."""
        return np.dtype(np.int64)

    @property
    def shape(self) -> tuple[int, ...]:
        """A number alone."""
        return ()

    @property
    def limits(self) -> tuple[float, float]:
        """The first label and the last, or the one that means none."""
        return 0, self.choices - 1

    @property
    def choices(self) -> int:
        """How many labels there are, with the one that means none."""
        return self.count + self.nullable

    @property
    def absent(self) -> NDArray[np.int64]:
        """One past the last label."""
        return np.array(self.count, np.int64)

    @property
    def numbers(self) -> str:
        """What a number means that a user writes: "index", or "names" of the classes."""
        return "index" if self._by_number is None else "names"

    @cached_property
    def _by_number(self) -> dict[int, int] | None:
        """Labels by the numbers that name the classes; None unless these are all different."""
        if not all(WHOLE.fullmatch(name) and len(name) <= LONGEST_NUMBER for name in self.names):
            return None
        found = {int(name): label for label, name in enumerate(self.names)}
        counted = list(found) == list(range(self.count))  # then a number is both
        return found if len(found) == self.count and not counted else None

    @cached_property
    def _by_name(self) -> dict[str, int]:
        return {name: label for label, name in enumerate(self.names)}

    def row(self, given: Any) -> NDArray[np.int64]:  # noqa: ANN401 - as in encode
        """Return a label as an array."""
        return np.array(self.label(given), np.int64)

    def label(self, given: int | str) -> int:
        """Return the label 0..n-1 of the class that a user means.

        A text that is a class's name means that class; any other whole number, as text or int,
        means the class of that number where `numbers` is "names", and else is the label itself.

        Raises:
            InvalidValue: a number that means no class.
            UnknownName: a text that is neither a class name nor a number.
        """
        if isinstance(given, str):
            if given in self._by_name:
                return self._by_name[given]
            if not WHOLE.fullmatch(given) or len(given) > LONGEST_NUMBER:
                shown = given if len(given) <= LONGEST_SHOWN else f"{given[:LONGEST_SHOWN]}..."
                raise unknown_name("label", shown, self.names)
            given = int(given)
        try:
            number = operator.index(given)
        except TypeError as error:
            raise InvalidValue(f"a label is a whole number or a name, not {given!r}") from error
        if isinstance(given, bool):
            raise InvalidValue(f"a label is a whole number or a name, not {given!r}")
        return self._of_number(number)

    def _of_number(self, number: int) -> int:
        """Return the label that a number means."""
        known = self._by_number
        label = number if known is None else known.get(number, -1)
        if not 0 <= label < self.count:
            shown = str(number) if abs(number) < 10**LONGEST_SHOWN else "of so many digits"
            there = f"0..{self.count - 1}" if known is None else ", ".join(self.names)
            raise InvalidValue(
                f"label {shown} is out of range: the {self.count} classes are {there}"
            )
        return label

    def examples(self) -> NDArray[np.int64]:
        """Return every class."""
        return np.arange(self.count, dtype=np.int64)

    def example_names(self) -> list[str]:
        """Return the names of the classes."""
        return list(self.names)

    def manifest(self) -> dict[str, Any]:
        """Return what an exported file says of it, and of numbers."""
        return super().manifest() | {"numbers": self.numbers}

    def _named(self, row: NDArray[Any]) -> str:
        return self.names[int(row)]

    def _check_present(self, rows: NDArray[Any], what: str) -> None:
        if not 0 <= rows.min() <= rows.max() < self.count:
            raise InvalidValue(
                f"{what} are {rows.min()}..{rows.max()}, the classes are 0..{self.count - 1}"
            )


@dataclass(frozen=True)
class _Vector(ConditionSpec):
    """A number for each name, float32 (n,); not a number in all places where it is absent."""

    by_name: ClassVar[bool] = True

    def ends(self) -> Iterator[tuple[str, float, float]]:
        """Yield each name with its lowest and highest number."""
        for name, (low, high) in zip(self.names, self.ranges, strict=True):
            yield name, low, high

    def default(self) -> NDArray[np.float32]:
        """Return the row of which nothing is said: each number at the middle of its range."""
        return self.row({})

    def row(self, given: Any) -> NDArray[np.float32]:  # noqa: ANN401 - as in encode
        """Return the numbers as float32 (n,)."""
        if not isinstance(given, Mapping):
            if isinstance(given, str) or not isinstance(given, Sequence | np.ndarray):
                raise InvalidValue(f"give {', '.join(self.names)} by name, not {given!r}")
            if len(given) != self.count:
                raise InvalidValue(f"{len(given)} numbers for {', '.join(self.names)}: give all")
            given = dict(zip(self.names, given, strict=True))
        ranges = {name: (low, high) for name, low, high in self.ends()}
        numbers = self._left_out()
        for name, number in given.items():
            if name not in ranges:
                raise unknown_name("condition", name, self.names)
            low, high = ranges[name]
            try:
                fits = low <= float(number) <= high
            except (TypeError, ValueError):
                fits = False
            if not fits:
                raise InvalidValue(f"{name} is a number in {low:g}..{high:g}, not {number!r}")
            numbers[name] = float(number)
        return np.array(list(numbers.values()), dtype=np.float32)

    def _left_out(self) -> dict[str, float]:
        """Return the numbers that stand where a user gives none."""
        return {name: (low + high) / 2 for name, low, high in self.ends()}

    def _check_present(self, rows: NDArray[Any], what: str) -> None:
        for column, (name, low, high) in enumerate(self.ends()):
            values = rows[:, column]
            if not (low <= values.min() and values.max() <= high):  # so that NaN is refused, too
                raise InvalidValue(
                    f"{what} have {name} in {values.min():g}..{values.max():g}, it should be in "
                    f"{low:g}..{high:g}"
                )

    def _manifest_ranges(self) -> list[list[float]]:
        return [[low, high] for _, low, high in self.ends()]


@dataclass(frozen=True)
class Attributes(_Vector):
    """Several things that are there or not: 0 or 1 each."""

    kind: str = "attributes"

    nouns: ClassVar[tuple[str, str]] = ("attribute", "attributes")

    @property
    def limits(self) -> tuple[float, float]:
        """Not there, and there."""
        return 0, 1

    def ends(self) -> Iterator[tuple[str, float, float]]:
        """Yield each name with 0 and 1."""
        for name in self.names:
            yield name, 0.0, 1.0

    def examples(self) -> NDArray[np.float32]:
        """Return every attribute alone."""
        return np.eye(self.count, dtype=np.float32)

    def example_names(self) -> list[str]:
        """Return the names of the attributes."""
        return list(self.names)

    def _left_out(self) -> dict[str, float]:
        return dict.fromkeys(self.names, 0.0)

    def _named(self, row: NDArray[Any]) -> str:
        numbers = dict(zip(self.names, row.tolist(), strict=True))
        return ", ".join(name for name, number in numbers.items() if number >= 0.5) or NONE


@dataclass(frozen=True)
class Numbers(_Vector):
    """Several numbers in their own units, each in its range.

    Raises:
        InvalidValue: a range without ends, or without anything between them.
    """

    kind: str = "continuous"

    nouns: ClassVar[tuple[str, str]] = ("number", "numbers")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, low, high in self.ends():
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise InvalidValue(
                    f"the range of {name} is {low}..{high}: it needs finite ends, the lower first"
                )

    @property
    def port(self) -> str:
        """Numbers have values."""
        return "values"

    @property
    def exact(self) -> bool:
        """A year, for instance, is not a half-precision number."""
        return True

    def examples(self) -> NDArray[np.float32]:
        """Return the lowest and the highest of every number, the others at their middle."""
        rows = [self.row({name: end}) for name, *ends in self.ends() for end in ends]
        return np.stack(rows)

    def example_names(self) -> list[str]:
        """Return each number with its lowest and its highest: "age 20"."""
        return [f"{name} {end:g}" for name, *ends in self.ends() for end in ends]

    def _named(self, row: NDArray[Any]) -> str:
        numbers = zip(self.names, row.tolist(), strict=True)
        return ", ".join(f"{name} {number:.3g}" for name, number in numbers)


@dataclass(frozen=True)
class OtherCondition(ConditionSpec):
    """A condition of a kind that only the plugin of its model knows: its type, shape and limits.

    Attributes:
        number: the name of the type of its numbers.
        row_shape: the shape of a row.
        ends: the lowest and the highest number, None where any finite one may be.
        none: what each number of an absent row is, None for not a number.
    """

    number: str = field(default="float32", kw_only=True)
    row_shape: tuple[int, ...] = field(default=(), kw_only=True)
    ends: tuple[float, float] | None = field(default=None, kw_only=True)
    none: Any = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Take any kind."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """As the file says."""
        return np.dtype(self.number)

    @property
    def shape(self) -> tuple[int, ...]:
        """As the file says."""
        return self.row_shape

    @property
    def limits(self) -> tuple[float, float] | None:
        """As the file says."""
        return self.ends

    @property
    def absent(self) -> NDArray[Any]:
        """As the file says."""
        return super().absent if self.none is None else np.array(self.none, self.dtype)


#: gtk's own kinds: no plugin can be another one of the same name.
BUILT_IN: tuple[type[ConditionSpec], ...] = (Classes, Attributes, Numbers)
#: Numbers of more digits than these are not shown.
LONGEST_SHOWN = 40


def find_kind(kind: Any) -> type[ConditionSpec]:  # noqa: ANN401 - whatever was written for it
    """Return the class of a kind: gtk's own, or one of a plugin that has been imported.

    Raises:
        InvalidValue: there is none.
    """
    known = {item.kind: item for item in (*_defined(ConditionSpec), *BUILT_IN)}
    if kind not in known:
        raise InvalidValue(f"a condition is {', '.join(known)}, not '{kind}'")
    return known[kind]


def _defined(base: type[ConditionSpec]) -> Iterator[type[ConditionSpec]]:
    """Yield the subclasses that have a kind of their own."""
    for item in base.__subclasses__():
        if "kind" in vars(item):
            yield item
        yield from _defined(item)


def _tuples(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
