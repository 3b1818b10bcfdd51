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
    free_bits: float = field(
        default=0.0,
        metadata={
            "help": "Nats that each dimension of z may carry, in the mean over a batch, before "
            "the KL term counts it."
        },
    )
    kl_warmup_steps: int = field(
        default=0, metadata={"help": "Steps over which beta grows from 0; 0 for none."}
    )

    def __post_init__(self) -> None:
        check_weights(self, "beta", "free_bits", "kl_warmup_steps")


@dataclass(frozen=True, kw_only=True)
class IWAEConfig:
    """Options of `iwae`.

    Raises:
        ValueError: less than one sample.
    """

    samples: int = field(
        default=5, metadata={"help": "Codes drawn for each image; more make the bound tighter."}
    )

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"samples must be at least 1, not {self.samples}")


def check_weights(config: object, *names: str) -> None:
    """Refuse values that are negative or no numbers.

    Raises:
        ValueError: it names the first.
    """
    for name in names:
        value = getattr(config, name)
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be 0 or more, not {value}")


@hookimpl
def gtk_losses() -> list[LossSpec]:
    """Return all of them."""
    return [
        LossSpec(
            name="elbo",
            summary="Negative evidence lower bound: reconstruction + beta KL, in nats per image.",
            config=ELBOConfig,
            target="gtk.plugins.losses.elbo:ELBO",
        ),
        LossSpec(
            name="iwae",
            summary="Negative importance-weighted bound of k samples, in nats per image.",
            config=IWAEConfig,
            target="gtk.plugins.losses.iwae:IWAE",
        ),
    ]
