"""Options of a draw by the steps of a solver, which are given when one draws."""

from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

from gtk.core.values.condition import ConditionSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.path import Numeric
from gtk.core.values.setting import setting

#: The most steps of a solver, and the strongest guidance.
MOST_SOLVER_STEPS, STRONGEST = 1_000, 100.0


def _option(default: Any, text: str) -> Any:  # noqa: ANN401 - of the field's type
    """Return a field with its help text."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class SolverConfig:
    """Options of the solvers of flow and diffusion models.

    Raises:
        ValueError: a number out of range.
    """

    steps: int = _option(16, "Steps from noise to an image.")
    grid: Literal["uniform", "cosine", "rho"] = _option(
        "uniform",
        "Times of the steps: evenly apart, denser at both ends, or as EDM's noise levels.",
    )
    guidance: float = _option(
        1.0,
        "How strongly the condition is followed: 1 as trained, 0 not at all, more leads away from "
        "images without it, with twice the evaluations.",
    )
    guidance_from: float = _option(0.0, "Guide from this time on; 0 is noise.")
    guidance_until: float = _option(1.0, "Guide up to this time; 1 is the image.")

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= MOST_SOLVER_STEPS:
            raise ValueError(f"steps must be within 1..{MOST_SOLVER_STEPS:,}, not {self.steps}")
        if not 0 <= self.guidance <= STRONGEST:
            raise ValueError(f"guidance must be within 0..{STRONGEST:g}, not {self.guidance}")
        if not 0 <= self.guidance_from < self.guidance_until <= 1:
            raise ValueError(
                "guidance_from must be less than guidance_until, both within 0..1, not "
                f"{self.guidance_from} and {self.guidance_until}"
            )

    @property
    def limited(self) -> bool:
        """Whether some times are without guidance."""
        return self.guidance_from > 0 or self.guidance_until < 1

    def guides(self, time: Numeric) -> Numeric:
        """Return whether times, () or (B,), are in the interval of guidance."""
        return (time >= self.guidance_from) & (time <= self.guidance_until)

    def guided(self, own: Numeric, without: Numeric) -> Numeric:
        """Return a velocity, led away from the one without a condition, (B, C, H, W) each.

        Ho and Salimans, Classifier-Free Diffusion Guidance (arXiv:2207.12598), equation 6, in an
        interval of time: Kynkaanniemi et al. (arXiv:2404.07724). Rows without a condition stay.
        """
        return without + self.guidance * (own - without)


@dataclass(frozen=True, kw_only=True)
class TwiceConfig(SolverConfig):
    """Options of solvers that evaluate the velocity twice in a step."""

    steps: int = _option(8, "Steps from noise to an image, of two evaluations each.")


def absent_row(condition: ConditionSpec | None) -> NDArray[Any]:
    """Return the row of a condition that is absent, which guidance needs.

    Raises:
        InvalidValue: the model has no condition, or was not trained without.
    """
    if condition is None:
        raise InvalidValue(
            f"{setting('guidance')} leads towards a condition, and this model has none: leave it "
            "out"
        )
    if not condition.nullable:
        raise InvalidValue(
            f"{setting('guidance')} needs a model that was trained without conditions, too: leave "
            f"it out, or train with {setting('condition_dropout', 0.1)}"
        )
    return condition.absent
