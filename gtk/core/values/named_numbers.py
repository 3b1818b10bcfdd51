"""A number for each name: what attributes and continuous conditions share."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.condition_spec import ConditionSpec
from gtk.core.values.errors import InvalidValue, unknown_name
from gtk.core.values.text import counted

#: The most names: examples and pictures take time and memory quadratic in them.
MOST_NAMES = 2_000


@dataclass(frozen=True)
class NamedNumbers(ConditionSpec):
    """A number for each name, float32 (n,); all NaN where it is absent.

    Raises:
        InvalidValue: more than `MOST_NAMES` names.
    """

    by_name = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count > MOST_NAMES:
            raise InvalidValue(f"{self.count:,} {self.nouns[1]} are more than {MOST_NAMES:,}")

    def ends(self) -> Iterator[tuple[str, float, float]]:
        """Yield each name with its lowest and highest number."""
        for name, (low, high) in zip(self.names, self.ranges, strict=True):
            yield name, low, high

    def default(self) -> NDArray[np.float32]:
        """Return the row of an empty mapping."""
        return self.row({})

    def row(self, given: Any) -> NDArray[np.float32]:  # noqa: ANN401 - as in encode
        """Return the numbers as float32 (n,)."""
        if not isinstance(given, Mapping):
            if isinstance(given, str) or not isinstance(given, Sequence | np.ndarray):
                raise InvalidValue(f"give {', '.join(self.names)} by name, not {given!r}")
            if len(given) != self.count:
                raise InvalidValue(
                    f"{counted(len(given), 'number')} for {', '.join(self.names)}: give all"
                )
            given = dict(zip(self.names, given, strict=True))
        ranges = {name: (low, high) for name, low, high in self.ends()}
        numbers = self._defaults()
        for name, number in given.items():
            if name not in ranges:
                raise unknown_name("condition", name, self.names)
            low, high = ranges[name]
            try:
                fits = low <= float(number) <= high
            except (TypeError, ValueError):
                fits = False
            if not fits:
                raise InvalidValue(f"{name} must be a number in {low:g}..{high:g}, not {number!r}")
            numbers[name] = float(number)
        return np.array(list(numbers.values()), dtype=np.float32)

    def typical(self, count: int) -> NDArray[np.float32]:
        """Return rows at a quarter and at three quarters of each range, in turn.

        The ends may be out of range when they are rounded to float32.
        """
        low, high = np.array([ends for _, *ends in self.ends()]).T
        rows: NDArray[Any] = low + (high - low) * (0.25 + 0.5 * (np.arange(count) % 2)[:, None])
        return rows.astype(np.float32)

    def written(self, count: int) -> list[dict[str, float]]:
        """Return the first number at its lowest, middle and highest in turn."""
        name, low, high = next(self.ends())
        numbers = [int(n) if n == int(n) else n for n in (low, (low + high) / 2, high)]
        return [{name: numbers[at % 3]} for at in range(count)]

    @property
    def domain(self) -> str:
        """The range of each number."""
        return ", ".join(f"{low:.15g}..{high:.15g}" for _, low, high in self.ends())

    def manifest(self) -> dict[str, Any]:
        """Add the ranges."""
        ranges = [[low, high] for _, low, high in self.ends()]
        return super().manifest() | {"ranges": ranges}

    def _defaults(self) -> dict[str, float]:
        """Return the numbers that a user may leave out: each in the middle of its range."""
        return {name: (low + high) / 2 for name, low, high in self.ends()}

    def _check_present(self, rows: NDArray[Any], what: str) -> None:
        for values, (name, low, high) in zip(rows.T, self.ends(), strict=True):
            if not (low <= values.min() and values.max() <= high):  # so that NaN is refused, too
                raise InvalidValue(
                    f"{what} have {name} in {values.min():g}..{values.max():g}, it must be in "
                    f"{low:g}..{high:g}"
                )
