"""Classes: every image is of one."""

import operator
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.condition_spec import ConditionSpec
from gtk.core.values.errors import InvalidValue, unknown_name

#: A whole number as text.
WHOLE = re.compile(r"-?[0-9]+")
#: The most digits of a number that are read: int() takes time quadratic in them.
LONGEST_NUMBER = 1000
#: The most characters of a label that a message shows.
LONGEST_SHOWN = 40


@dataclass(frozen=True)
class Classes(ConditionSpec):
    """One of several classes: a label 0..n-1, int64 (); n where it is absent.

    A number that a user writes is a label, except where the names of all classes are whole numbers
    that differ as numbers: then it means the class of that number.
    """

    kind: str = "classes"

    nouns = ("class", "classes")
    port = "label"
    dtype = np.dtype(np.int64)
    shape = ()

    @property
    def limits(self) -> tuple[float, float]:
        """The first label and the last, or the one that means absent."""
        return 0, self.choices - 1

    @property
    def choices(self) -> int:
        """How many labels there are, including the one that means absent."""
        return self.count + self.nullable

    @property
    def absent(self) -> NDArray[np.int64]:
        """One past the last label."""
        return np.array(self.count, np.int64)

    @cached_property
    def numbers(self) -> str:
        """What a number that a user writes means: "index", or "names" of the classes."""
        if not all(WHOLE.fullmatch(name) and len(name) <= LONGEST_NUMBER for name in self.names):
            return "index"
        found = [int(name) for name in self.names]
        counted = found == list(range(self.count))  # then index and name agree
        return "index" if counted or len(set(found)) < self.count else "names"

    @cached_property
    def _labels(self) -> dict[str | int, int]:
        """Labels by the names of the classes, and by the numbers that mean them."""
        numbers = map(int, self.names) if self.numbers == "names" else range(self.count)
        by_number = {number: label for label, number in enumerate(numbers)}
        return {name: label for label, name in enumerate(self.names)} | by_number

    def unlearnable(self, rows: NDArray[Any]) -> list[str]:
        """Return the classes that no row has."""
        return [self.names[label] for label in np.setdiff1d(np.arange(self.count), rows)]

    def row(self, given: Any) -> NDArray[np.int64]:  # noqa: ANN401 - as in encode
        """Return the label of the class that a user means.

        A string that is a class's name means that class; any other whole number, as string or int,
        means the class of that number where `numbers` is "names", and else is the label itself.

        Raises:
            InvalidValue: a number that means no class.
            UnknownName: a string that is neither a class name nor a number.
        """
        return np.array(self._label(given), np.int64)

    def _label(self, given: int | str) -> int:
        if isinstance(given, str):
            if given in self._labels:
                return self._labels[given]
            if not WHOLE.fullmatch(given) or len(given) > LONGEST_NUMBER:
                shown = given if len(given) <= LONGEST_SHOWN else f"{given[:LONGEST_SHOWN]}..."
                raise unknown_name("label", shown, self.names)
            given = int(given)
        try:
            number = None if isinstance(given, bool) else operator.index(given)
        except TypeError:
            number = None
        if number is None:
            raise InvalidValue(f"a label must be a whole number or a name, not {given!r}")
        if number not in self._labels:
            # Python refuses to print numbers of thousands of digits.
            short = abs(number) < 10**LONGEST_SHOWN
            shown = str(number) if short else f"of more than {LONGEST_SHOWN} digits"
            there = ", ".join(self.names) if self.numbers == "names" else f"0..{self.count - 1}"
            raise InvalidValue(
                f"label {shown} is out of range: the {self.count} classes are {there}"
            )
        return self._labels[number]

    def examples(self) -> NDArray[np.int64]:
        """Return every class."""
        return np.arange(self.count, dtype=np.int64)

    def written(self, count: int) -> list[int | str]:
        """Return the names of the classes in turn, as numbers where both mean the same."""
        numbered = self.names == tuple(map(str, range(self.count)))
        return [int(at) if numbered else self.names[at] for at in np.arange(count) % self.count]

    @property
    def domain(self) -> str:
        """The labels of the classes."""
        return f"0..{self.count - 1}"

    def manifest(self) -> dict[str, Any]:
        """Add what a number means."""
        return super().manifest() | {"numbers": self.numbers}

    def _present_name(self, row: NDArray[Any]) -> str:
        return self.names[int(row)]
