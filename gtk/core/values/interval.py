"""How often something happens in a training: every so many steps, or epochs."""

import re
from typing import TypeAlias

_TEXT = re.compile(r"\s*([0-9]{1,18})\s*(epochs?)?\s*")


class Epochs(int):
    """A number of epochs. Its string is the text in recipes: "2 epochs"."""

    def __str__(self) -> str:
        return f"{int(self)} epoch{'' if self == 1 else 's'}"

    def __repr__(self) -> str:
        return repr(str(self))


#: Steps, or epochs.
Interval: TypeAlias = int | Epochs


def parse_interval(text: str) -> Interval:
    """Read "500" or "2 epochs".

    Raises:
        ValueError: it is neither.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is neither steps nor epochs")
    return Epochs(found[1]) if found[2] else int(found[1])


def in_steps(interval: Interval, steps_per_epoch: int) -> int:
    """Return an interval in steps."""
    return int(interval) * (steps_per_epoch if isinstance(interval, Epochs) else 1)
