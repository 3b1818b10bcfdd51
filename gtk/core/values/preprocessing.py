"""Preprocessing: how an image file becomes an image of the data's size."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from gtk.core.values.errors import InvalidValue

#: How an image of another shape is fitted. "crop": scaled to cover the new size, whose centre is
#: cut out. "pad": scaled to fit inside, on black. "stretch": both sides scaled apart.
Fit = Literal["crop", "pad", "stretch"]


@dataclass(frozen=True)
class Preprocessing:
    """What is done to image files besides decoding them.

    Attributes:
        fit: how another shape is fitted.
        range: the stored values that become black and white; empty for those of the file's format.
        centre: (width, height, side): of images of this size, a square in the centre with this side
            is cut out before they are fitted; empty for none.

    Raises:
        InvalidValue: another fit, a range that is not two finite numbers, the lower one first, or a
            centre that does not fit inside.
    """

    fit: Fit = "crop"
    range: tuple[float, ...] = ()
    centre: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.fit not in get_args(Fit):
            raise InvalidValue(f"fit must be one of {', '.join(get_args(Fit))}, not {self.fit!r}")
        check_range(self.range)
        whole = all(type(number) is int for number in self.centre)
        if self.centre and not (
            whole and len(self.centre) == 3 and 0 < self.centre[2] <= min(self.centre)
        ):
            raise InvalidValue(f"centre must be (width, height, side), not {self.centre!r:.80}")

    @classmethod
    def of(cls, config: Any) -> "Preprocessing | None":  # noqa: ANN401 - a data set's options
        """Return that of a data set's options; None where they say nothing about it."""
        fit, limits = getattr(config, "fit", None), getattr(config, "range", ())
        centre = getattr(config, "centre_cut", ())
        if fit is None and not limits and not centre:
            return None
        try:
            return cls(fit or "crop", limits, centre)
        except (InvalidValue, TypeError, ValueError):  # a plugin's options of other meanings
            return None

    def manifest(self) -> dict[str, Any]:
        """Return its entry in the manifest of an exported file."""
        centre = {"centre": list(self.centre)} if self.centre else {}
        return {"fit": self.fit, "range": list(self.range) or None, **centre}

    @classmethod
    def from_manifest(cls, table: Mapping[str, Any]) -> "Preprocessing":
        """Rebuild it from `manifest`'s result."""
        return cls(table["fit"], tuple(table["range"] or ()), tuple(table.get("centre") or ()))


def check_range(limits: tuple[float, ...]) -> None:
    """Check the stored values that become black and white.

    Raises:
        InvalidValue: they are neither empty nor two finite numbers, the lower one first.
    """
    fits = len(limits) == 2 and all(map(math.isfinite, limits)) and limits[0] < limits[1]
    if limits and not fits:
        raise InvalidValue(
            "range must be two numbers, the values that become black and white, such as 0,4095; "
            f"not {','.join(f'{number:g}' for number in limits)}"
        )
