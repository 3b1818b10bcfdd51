"""Samplers: how an image is drawn from a trained model."""

import math
from dataclasses import dataclass
from typing import Literal

from gtk.core.registry.hooks import hookimpl
from gtk.core.registry.options import option
from gtk.core.registry.spec import SamplerSpec

#: Standard normal noise is hardly ever further out.
WIDEST = 4.0
#: The most steps of a solver, and the strongest guidance.
MOST_STEPS, STRONGEST = 1_000, 100.0
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
class SolverConfig:
    """Options of the solvers of flow and diffusion models.

    Raises:
        ValueError: a number out of range.
    """

    steps: int = option(16, "Steps from noise to an image.")
    grid: Literal["uniform", "cosine", "rho"] = option(
        "uniform",
        "Times of the steps: evenly apart, denser at both ends, or as EDM's noise levels.",
    )
    guidance: float = option(
        1.0,
        "How strongly the condition is followed: 1 as trained, 0 not at all, more leads away from "
        "images without it, with twice the evaluations.",
    )
    guidance_from: float = option(0.0, "Guide from this time on; 0 is noise.")
    guidance_until: float = option(1.0, "Guide up to this time; 1 is the image.")

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= MOST_STEPS:
            raise ValueError(f"steps must be within 1..{MOST_STEPS:,}, not {self.steps}")
        if not 0 <= self.guidance <= STRONGEST:
            raise ValueError(f"guidance must be within 0..{STRONGEST:g}, not {self.guidance}")
        if not 0 <= self.guidance_from < self.guidance_until <= 1:
            raise ValueError(
                "guidance_from must be less than guidance_until, both within 0..1, not "
                f"{self.guidance_from} and {self.guidance_until}"
            )


@dataclass(frozen=True, kw_only=True)
class TwiceConfig(SolverConfig):
    """Options of solvers that evaluate the velocity twice in a step."""

    steps: int = option(8, "Steps from noise to an image, of two evaluations each.")


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


#: Of each solver: its summary, and its class.
SOLVERS = {
    "euler": ("Straight steps along the velocity.", "Euler"),
    "heun": ("Steps along the mean of the velocities at both ends.", "Heun"),
    "midpoint": ("Steps along the velocity in the middle.", "Midpoint"),
    "dpm++": ("DPM-Solver++ (2M): steps that use the image of the step before.", "DPMSolver"),
    "ddim": ("DDIM: mix image and noise anew.", "DDIM"),
    "ancestral": ("DDPM's: mix image and noise anew, with new noise in each step.", "Ancestral"),
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
                summary=summary,
                target=f"gtk.plugins.samplers.solved:{target}",
                config=TwiceConfig if name in ("heun", "midpoint") else SolverConfig,
            )
            for name, (summary, target) in SOLVERS.items()
        ),
    ]
