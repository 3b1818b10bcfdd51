"""A picture of how much each dimension of a latent code tells about an image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypedDict

from gtk.core.settings.json_file import check_document
from gtk.core.settings.run_file import Count
from gtk.core.values.errors import InvalidValue
from gtk.core.values.number_text import format_number
from gtk.pictures.chart import LARGEST_VALUE

#: The most dimensions that have a bar.
MOST_BARS = 20
#: The drawing's width, a bar's height with its gap, and where bars begin and end, about pixels.
WIDTH, ROW, LEFT, RIGHT = 400, 20, 52, 330

#: What `latent-use` says beside its figures, and what decides them.
Details = TypedDict("Details", {"dimension": list[Count], "kl by dimension": list[float]})
Protocol = TypedDict("Protocol", {"used nats": float})


class Bar(NamedTuple):
    """The bar of a dimension.

    Attributes:
        y: the middle.
        width: of the bar.
        name: of the dimension.
        text: its KL in nats.
    """

    y: int
    width: float
    name: str
    text: str


@dataclass(frozen=True)
class DimensionUse:
    """The KL divergence of the posterior from the prior by dimension, a mean over images.

    Attributes:
        dimensions: their numbers from 1, the one with the largest KL first.
        divergences: the KL of each in nats.
        least: a dimension is in use if it has more nats than this.
    """

    dimensions: Sequence[int]
    divergences: Sequence[float]
    least: float
    width: ClassVar[int] = WIDTH
    left: ClassVar[int] = LEFT

    @classmethod
    def of(cls, details: Mapping[str, Any], protocol: Mapping[str, Any]) -> "DimensionUse | None":
        """Read what `latent-use` says; None where a metric says other things, or it is damaged."""
        try:
            check_document(dict(details), Details)
            check_document(dict(protocol), Protocol)
        except InvalidValue:
            return None
        numbers, divergences = details["dimension"], details["kl by dimension"]
        if not 0 < len(numbers) == len(divergences) or max(map(abs, divergences)) > LARGEST_VALUE:
            return None
        # Rounding may make 0 negative.
        pairs = [
            (max(kl, 0.0), number + 1) for number, kl in zip(numbers, divergences, strict=True)
        ]
        pairs.sort(key=lambda pair: (-pair[0], pair[1]))
        return cls(
            [number for _, number in pairs], [kl for kl, _ in pairs], float(protocol["used nats"])
        )

    @property
    def used(self) -> int:
        """How many dimensions are in use."""
        return sum(kl > self.least for kl in self.divergences)

    @property
    def total(self) -> str:
        """The KL of all dimensions together."""
        return format_number(sum(self.divergences))

    @property
    def rest(self) -> str:
        """What the dimensions without a bar have together, in words; "" if all have one."""
        others = self.divergences[MOST_BARS:]
        if not others:
            return ""
        return f"The other {len(others):,} have {format_number(sum(others))} nats together."

    @property
    def height(self) -> int:
        """The drawing's height."""
        return ROW * len(self.bars())

    def bars(self) -> list[Bar]:
        """Return the bars, the longest first."""
        longest = self.divergences[0] or 1.0
        shown = zip(self.dimensions, self.divergences, strict=True)
        return [
            Bar(
                y=ROW * at + ROW // 2,
                width=round(kl / longest * (RIGHT - LEFT), 1),
                name=f"z {number}",
                text=format_number(kl),
            )
            for at, (number, kl) in enumerate(list(shown)[:MOST_BARS])
        ]
