"""Losses: the games that are played on models."""

import math
from dataclasses import dataclass, field

from gtk.core.registry.hooks import hookimpl
from gtk.core.registry.spec import LossSpec


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


@dataclass(frozen=True, kw_only=True)
class AdversarialConfig:
    """Options of `minimax`, `hinge` and `least-squares`.

    Raises:
        ValueError: a weight that is negative or no number.
    """

    r1: float = field(
        default=0.0,
        metadata={"help": "Weight of the penalty on the score's gradient at real images."},
    )

    def __post_init__(self) -> None:
        check_weights(self, "r1")


@dataclass(frozen=True, kw_only=True)
class WassersteinConfig:
    """Options of `wasserstein-gp`.

    Raises:
        ValueError: no critic step, or a weight that is negative or no number.
    """

    critic_steps: int = field(
        default=5, metadata={"help": "Updates of the critic for each one of the generator."}
    )
    penalty: float = field(
        default=10.0, metadata={"help": "Weight of the penalty on the score's gradient."}
    )
    r1: float = field(
        default=0.0,
        metadata={"help": "Weight of the penalty on the score's gradient at real images."},
    )

    def __post_init__(self) -> None:
        check_weights(self, "penalty", "r1")
        if self.critic_steps < 1:
            raise ValueError(f"critic_steps must be at least 1, not {self.critic_steps}")


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
        LossSpec(
            name="minimax",
            summary="The first adversarial game: real or generated, with cross-entropy.",
            config=AdversarialConfig,
            target="gtk.plugins.losses.minimax:Minimax",
        ),
        LossSpec(
            name="hinge",
            summary="Adversarial: scores beyond a margin count no more.",
            config=AdversarialConfig,
            target="gtk.plugins.losses.hinge:Hinge",
        ),
        LossSpec(
            name="least-squares",
            summary="Adversarial: squared distance of scores from 1 and 0.",
            config=AdversarialConfig,
            target="gtk.plugins.losses.least_squares:LeastSquares",
        ),
        LossSpec(
            name="wasserstein-gp",
            summary="Adversarial: a critic's Wasserstein distance, with gradient penalty.",
            config=WassersteinConfig,
            target="gtk.plugins.losses.wasserstein:WassersteinGP",
        ),
    ]
