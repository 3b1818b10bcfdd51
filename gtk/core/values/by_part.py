"""A number for each part of a model: "generator=0.0001,discriminator=0.0004"."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

EXAMPLE = "generator=1e-4,discriminator=4e-4"


class ByPart(dict[str, float]):
    """Numbers by the names of the parts that they are for. Its string is the text in recipes.

    Raises:
        ValueError: it is empty, or a name could not be read back from the text.
    """

    def __init__(self, numbers: Mapping[str, float]) -> None:
        super().__init__(numbers)
        if not self or any(not part or part != part.strip() or {*part} & {*"=,"} for part in self):
            raise ValueError(f"{[*self]} are not names of parts")

    def __str__(self) -> str:
        return format(self, "")

    def __repr__(self) -> str:
        return repr(str(self))

    def __format__(self, spec: str) -> str:
        return ",".join(f"{part}={number:{spec}}" for part, number in self.items())


#: One number for all parts, or one for each.
PartNumber: TypeAlias = float | ByPart


def parse_by_part(text: str) -> PartNumber:
    """Read "0.001", or a number for each part.

    Raises:
        ValueError: something is not a number, or a part is named twice.
    """
    if "=" not in text:
        return float(text)
    pairs = [pair.partition("=") for pair in text.split(",")]
    numbers = {part.strip(): float(number) for part, _, number in pairs}
    if len(numbers) < len(pairs):
        raise ValueError(f"{text!r} names a part twice")
    return ByPart(numbers)


def of_part(value: PartNumber, part: str) -> float:
    """Return the number of a part."""
    return value[part] if isinstance(value, ByPart) else value


def each_number(value: PartNumber) -> tuple[float, ...]:
    """Return the numbers without their parts."""
    return tuple(value.values()) if isinstance(value, ByPart) else (value,)


def with_each(value: PartNumber, function: Callable[[float], float]) -> PartNumber:
    """Apply a function to each number; return one number where all parts have the same."""
    if not isinstance(value, ByPart):
        return function(value)
    numbers = ByPart({part: function(number) for part, number in value.items()})
    return numbers if len({*numbers.values()}) > 1 else next(iter(numbers.values()))
