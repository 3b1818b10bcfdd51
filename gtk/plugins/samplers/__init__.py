"""Samplers: how an image is drawn from a trained model."""

import math
from dataclasses import dataclass

from gtk.core.registry.hooks import hookimpl
from gtk.core.registry.options import option
from gtk.core.registry.spec import SamplerSpec

#: Standard normal noise is hardly ever further out.
WIDEST = 4.0


@dataclass(frozen=True, kw_only=True)
class DirectConfig:
    """Options of `direct`.

    Raises:
        ValueError: a number out of range.
    """

    temperature: float = option(
        1.0, "Noise is multiplied by this: less than 1 makes typical images, and more alike."
    )
    truncation: float = option(
        0.0, "Noise is drawn from within so many standard deviations, as BigGAN's; 0 for all."
    )

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise ValueError(f"temperature must be at least 0, not {self.temperature}")
        if not 0 <= self.truncation <= WIDEST:
            raise ValueError(f"truncation must be within 0..{WIDEST:g}, not {self.truncation}")


@hookimpl
def gtk_samplers() -> list[SamplerSpec]:
    """Return the built-in samplers."""
    return [
        SamplerSpec(
            name="direct",
            summary="One pass of the network, with noise as it is or nearer to the middle.",
            target="gtk.plugins.samplers.direct:Direct",
            config=DirectConfig,
        )
    ]
