"""Losses: the objective, and which updates a step takes."""

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from gtk.core.registry.hooks import hookimpl
from gtk.core.registry.options import option
from gtk.core.registry.spec import LossSpec

#: The betas of Zhang et al., SAGAN (arXiv:1805.08318), section 4, and for both parts the rate of
#: their discriminator. Their generator's, 1e-4, is too slow for the few steps of small data sets: a
#: judge agreed with 17% of the digits of a small convolutional `cgan` after 60 epochs; with 4e-4 it
#: was 96%, and 92% at 2e-4 with betas of 0.5 and 0.999.
HINGE_DEFAULTS = MappingProxyType({"learning_rate": 4e-4, "adam_beta1": 0.0, "adam_beta2": 0.9})
#: The betas of Gulrajani et al. (arXiv:1704.00028), algorithm 1. Their rate, 1e-4, is too slow,
#: too: 19% of the digits of `cgan --network mlp` after 200 epochs; with 3e-4 it was 95%, and 94% at
#: 2e-4 with betas of 0.5 and 0.999.
WASSERSTEIN_DEFAULTS = MappingProxyType(
    {"learning_rate": 3e-4, "adam_beta1": 0.0, "adam_beta2": 0.9}
)


@dataclass(frozen=True, kw_only=True)
class ELBOConfig:
    """Options of `elbo`.

    Raises:
        ValueError: a weight is negative or not finite.
    """

    beta: float = option(1.0, "Weight of the KL term; 1 is the bound itself.")
    free_bits: float = option(
        0.0,
        "Nats of each dimension's KL, averaged over a batch, that the KL term does not penalize.",
    )
    kl_warmup_steps: int = option(0, "Steps over which beta grows from 0; 0 for none.")

    def __post_init__(self) -> None:
        check_weights(self, "beta", "free_bits", "kl_warmup_steps")


@dataclass(frozen=True, kw_only=True)
class IWAEConfig:
    """Options of `iwae`.

    Raises:
        ValueError: a number of samples below 1.
    """

    samples: int = option(5, "Codes drawn for each image; more make the bound tighter.")

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"samples must be at least 1, not {self.samples}")


@dataclass(frozen=True, kw_only=True)
class AdversarialConfig:
    """Options of `minimax`, `hinge` and `least-squares`.

    Raises:
        ValueError: a weight is negative or not finite, a number of steps is below 1, or steps are
            given without a penalty.
    """

    r1: float = option(0.0, "Weight of the penalty on the score's gradient at real images.")
    r2: float = option(0.0, "Weight of the penalty on the score's gradient at generated images.")
    r1_every: int = option(
        1, "Steps from one computation of r1 and r2 to the next; each counts for as many."
    )
    augment: bool = option(
        False, "Show the discriminator images that are moved, cut out of, and recoloured at random."
    )

    def __post_init__(self) -> None:
        check_weights(self, "r1", "r2")
        if self.r1_every < 1:
            raise ValueError(f"r1_every must be at least 1, not {self.r1_every}")
        if self.r1_every > 1 and not self.r1 and not self.r2:
            raise ValueError(
                f"r1_every {self.r1_every} needs a penalty to compute: give r1 or r2 a weight"
            )


@dataclass(frozen=True, kw_only=True)
class RelativisticConfig(AdversarialConfig):
    """Options of `relativistic`.

    The program of R3GAN's authors has weights of 0.05 (CIFAR-10) to 150 (faces of 256x256 pixels).

    Raises:
        ValueError: as of `AdversarialConfig`.
    """

    r1: float = option(1.0, "Weight of the penalty on the score's gradient at real images.")
    r2: float = option(1.0, "Weight of the penalty on the score's gradient at generated images.")


@dataclass(frozen=True, kw_only=True)
class WassersteinConfig(AdversarialConfig):
    """Options of `wasserstein-gp`.

    Raises:
        ValueError: as of `AdversarialConfig`, a number of critic's steps below 1, or a penalty's
            weight that is negative or not finite.
    """

    critic_steps: int = option(5, "Updates of the critic for each update of the generator.")
    penalty: float = option(10.0, "Weight of the penalty on the score's gradient.")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_weights(self, "penalty")
        if self.critic_steps < 1:
            raise ValueError(f"critic_steps must be at least 1, not {self.critic_steps}")


@dataclass(frozen=True, kw_only=True)
class VelocityConfig:
    """Options of `flow-matching` and `edm`.

    Raises:
        ValueError: `min_snr` is negative or not finite.
    """

    coupling: Literal["independent", "ot"] = option(
        "independent",
        "Which noise goes with which image: ot assigns the noise of a batch by optimal transport, "
        "among images of the same condition.",
    )
    min_snr: float = option(
        0.0, "Weigh times by min(SNR, this number) of the image's error; 0 for the loss's weights."
    )

    def __post_init__(self) -> None:
        check_weights(self, "min_snr")


@dataclass(frozen=True, kw_only=True)
class FlowMatchingConfig(VelocityConfig):
    """Options of `flow-matching`.

    Raises:
        ValueError: as of `VelocityConfig`.
    """

    time: Literal["logit-normal", "uniform"] = option(
        "logit-normal", "Distribution of times; logit-normal has few near either end."
    )


@dataclass(frozen=True, kw_only=True)
class EDMConfig(VelocityConfig):
    """Options of `edm`.

    Raises:
        ValueError: as of `VelocityConfig`, or the noise's mean or deviation is not finite, or the
            deviation is negative.
    """

    log_noise_mean: float = option(-1.2, "Mean of the log of the noise's share, sigma/alpha.")
    log_noise_deviation: float = option(1.2, "Standard deviation of that log.")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_weights(self, "log_noise_deviation")
        if not math.isfinite(self.log_noise_mean):
            raise ValueError(f"log_noise_mean must be finite, not {self.log_noise_mean}")


def check_weights(config: object, *names: str) -> None:
    """Refuse weights that are negative or not finite.

    Raises:
        ValueError: it names the first such weight.
    """
    for name in names:
        value = getattr(config, name)
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be 0 or more, not {value}")


@hookimpl
def gtk_losses() -> list[LossSpec]:
    """Return the built-in losses."""
    return [
        LossSpec(
            name="elbo",
            summary="Negative evidence lower bound: reconstruction + beta KL, in nats per image.",
            config=ELBOConfig,
            target="gtk.plugins.losses.elbo:ELBO",
            bf16=True,
        ),
        LossSpec(
            name="iwae",
            summary="Negative importance-weighted bound of k samples, in nats per image.",
            config=IWAEConfig,
            target="gtk.plugins.losses.iwae:IWAE",
            bf16=True,
        ),
        LossSpec(
            name="minimax",
            summary="Adversarial: cross-entropy of real against generated images.",
            config=AdversarialConfig,
            target="gtk.plugins.losses.adversarial:Minimax",
            bf16=True,
        ),
        LossSpec(
            name="hinge",
            summary="Adversarial: scores beyond a margin count no more.",
            config=AdversarialConfig,
            target="gtk.plugins.losses.adversarial:Hinge",
            defaults=HINGE_DEFAULTS,
            bf16=True,
        ),
        LossSpec(
            name="least-squares",
            summary="Adversarial: squared distance of scores from 1 and 0.",
            config=AdversarialConfig,
            target="gtk.plugins.losses.adversarial:LeastSquares",
            bf16=True,
        ),
        LossSpec(
            name="relativistic",
            summary="Adversarial: cross-entropy of score differences of pairs, with R1 and R2.",
            config=RelativisticConfig,
            target="gtk.plugins.losses.adversarial:Relativistic",
            bf16=True,
        ),
        LossSpec(
            name="wasserstein-gp",
            summary="Adversarial: a critic's Wasserstein distance, with gradient penalty.",
            config=WassersteinConfig,
            target="gtk.plugins.losses.wasserstein:WassersteinGP",
            defaults=WASSERSTEIN_DEFAULTS,
            bf16=True,
        ),
        LossSpec(
            name="flow-matching",
            summary="Squared error of the velocity from noise to images.",
            config=FlowMatchingConfig,
            target="gtk.plugins.losses.flow_matching:FlowMatching",
            bf16=True,
        ),
        LossSpec(
            name="edm",
            summary="Squared error of the denoised image, with EDM's times and weights.",
            config=EDMConfig,
            target="gtk.plugins.losses.edm:EDM",
            bf16=True,
        ),
    ]
