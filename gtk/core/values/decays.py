"""The decays of the averages of a training's weights: one, or several of which one is the first."""

from typing import TypeAlias

from gtk.core.values.errors import InvalidValue, UnknownName

#: One decay, 0 for no average, or several.
Decays: TypeAlias = float | tuple[float, ...]


def each_decay(decays: Decays) -> tuple[float, ...]:
    """Return all decays, of which the first is what sampling and export use."""
    return decays if isinstance(decays, tuple) else (decays,) if decays else ()


def parse_decays(text: str) -> Decays:
    """Read "0.999" or "0.999,0.9995".

    Raises:
        ValueError: something is not a number.
    """
    return as_decays(tuple(float(part) for part in text.split(",")))


def as_decays(numbers: tuple[float, ...]) -> Decays:
    """Return a single decay as a number, as run.json had it before there were several."""
    return numbers[0] if len(numbers) == 1 else numbers


def chosen_decay(decays: Decays, average: float | None, run: object) -> float | None:
    """Return the average that is asked for, None for the first.

    Raises:
        InvalidValue: the run has no averages.
        UnknownName: it has others.
    """
    known = each_decay(decays)
    if average is None or known[:1] == (average,):
        return None
    if not known:
        raise InvalidValue(f"{run} has no average of its weights: it was trained without one")
    if average not in known:
        others = "".join(f", {decay}" for decay in known[1:])
        raise UnknownName(f"{run} has no average {average}. It has: {known[0]}, the first{others}.")
    return average
