"""Losses: the games that are played on models."""

import math
from dataclasses import dataclass, field

from gtk.core.hooks import hookimpl
from gtk.core.spec import LossSpec


@dataclass(frozen=True, kw_only=True)
class ELBOConfig:
    """Options of `elbo`.

    Raises:
        ValueError: a weight that is negative or no number.
    """

    beta: float = field(
        default=1.0, metadata={"help": "Weight of the KL term; 1 is the bound itself."}
    )

    def __post_init__(self) -> None:
        if not (math.isfinite(self.beta) and self.beta >= 0):
            raise ValueError(f"beta must be 0 or more, not {self.beta}")


@hookimpl
def gtk_losses() -> list[LossSpec]:
    """Return all of them."""
    return [
        LossSpec(
            name="elbo",
            summary="Negative evidence lower bound: reconstruction + beta KL, in nats per image.",
            config=ELBOConfig,
            target="gtk.plugins.losses.elbo:ELBO",
        )
    ]
