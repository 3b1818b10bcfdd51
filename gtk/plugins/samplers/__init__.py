"""Samplers: how an image is drawn from a trained model."""

import math
from dataclasses import dataclass

from gtk.core.registry.hooks import hookimpl
from gtk.core.registry.options import option
from gtk.core.registry.spec import SamplerSpec
from gtk.core.values.solvers import SOLVERS

#: Standard normal noise is hardly ever further out.
WIDEST = 4.0
#: The most components of a mixture.
MOST_COMPONENTS = 100


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


@dataclass(frozen=True, kw_only=True)
class AggregateConfig:
    """Options of `aggregate`.

    Raises:
        ValueError: a number out of range.
    """

    components: int = option(10, "Gaussians of each mixture: one for each class, or one of all.")

    def __post_init__(self) -> None:
        if not 1 <= self.components <= MOST_COMPONENTS:
            raise ValueError(
                f"components must be within 1..{MOST_COMPONENTS}, not {self.components}"
            )


#: Of each solver, the class of its sampler in `solved.py`.
CLASSES = {
    "euler": "Euler",
    "heun": "Heun",
    "midpoint": "Midpoint",
    "dpm++": "DPMSolver",
    "ddim": "DDIM",
    "ancestral": "Ancestral",
}


@hookimpl
def gtk_samplers() -> list[SamplerSpec]:
    """Return the built-in samplers."""
    return [
        SamplerSpec(
            name="direct",
            summary="One pass of the network, with noise as it is or nearer to the middle.",
            target="gtk.plugins.samplers.direct:Direct",
            config=DirectConfig,
        ),
        SamplerSpec(
            name="aggregate",
            summary="VAEs: codes as those of the training images, by a mixture of Gaussians.",
            target="gtk.plugins.samplers.aggregate:Aggregate",
            config=AggregateConfig,
        ),
        SamplerSpec(
            name="draw",
            summary="VAEs: a draw from the likelihood instead of its mean.",
            target="gtk.plugins.samplers.draw:Draw",
        ),
        *(
            SamplerSpec(
                name=name,
                summary=solver.summary,
                target=f"gtk.plugins.samplers.solved:{CLASSES[name]}",
                config=solver.config,
            )
            for name, solver in SOLVERS.items()
        ),
    ]
