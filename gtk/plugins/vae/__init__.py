"""Variational autoencoders: `vae` and `cvae` are the same networks with another conditioner."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from gtk.core.registry.hooks import hookimpl
from gtk.core.registry.options import option
from gtk.core.registry.spec import ModelSpec
from gtk.core.values.condition import Classes
from gtk.core.values.dataset import DataSpec

LikelihoodName = Literal[
    "bernoulli", "binarized-bernoulli", "gaussian", "learned-gaussian", "discretized-logistic"
]


@dataclass(frozen=True, kw_only=True)
class VAEConfig:
    """Options of `vae` and `cvae`.

    Raises:
        ValueError: a size below 1, or a variance, epsilon or momentum outside its range.
    """

    network: Literal["mlp", "conv"] = option("mlp", "Fully connected or convolutional layers.")
    latent_dim: int = option(16, "Width of the latent code z.")
    hidden_dims: tuple[int, ...] = option(
        (256,),
        "Widths of the fully connected layers, from the image inwards: 512,256. With conv, of the "
        "decoder's, which has one more to make its first maps.",
        memory=True,
    )
    channels: tuple[int, ...] = option(
        (32, 64, 128),
        "conv: channels of the encoder's layers, each of which halves the image.",
        memory=True,
    )
    decoder_channels: tuple[int, ...] = option(
        (),
        "conv: channels of the decoder's stages, each of which doubles the image; by default the "
        "encoder's, reversed.",
        memory=True,
    )
    activation: Literal["relu", "tanh"] = option("relu", "Of the hidden layers of both networks.")
    normalization: Literal["none", "batch", "group"] = option(
        "none", "After the activations of both networks."
    )
    norm_epsilon: float = option(1e-5, "Added to the variance in a normalization.")
    norm_momentum: float = option(0.1, "Weight of a batch in batch normalization's statistics.")
    likelihood: LikelihoodName = option(
        "bernoulli",
        "Distribution of a pixel. binarized-bernoulli is of pixels that are drawn black or white "
        "with the probability of their level, anew each time; learned-gaussian gives each pixel "
        "its own variance.",
        comparable={"gaussian": ("variance",)},  # a fixed variance scales the nats
    )
    variance: float = option(
        0.01, "gaussian: the variance of each pixel, whose values are in 0..1."
    )
    prior: Literal["standard", "learned"] = option(
        "standard", "Prior of z: N(0, I), or a Gaussian learned for every condition."
    )

    def __post_init__(self) -> None:
        if self.latent_dim < 1:
            raise ValueError(f"latent_dim must be at least 1, not {self.latent_dim}")
        for name in ("hidden_dims", "channels", "decoder_channels"):
            if min(getattr(self, name), default=1) < 1:
                raise ValueError(f"{name} must be widths of at least 1, not {getattr(self, name)}")
        if not self.channels:
            raise ValueError("channels must be at least one width, not ()")
        for name in ("norm_epsilon", "variance"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name)}")
        if not 0 < self.norm_momentum <= 1:
            raise ValueError(f"norm_momentum must be in 0..1, not {self.norm_momentum}")


#: The longest side of small images, and of these the layers and the weight of the KL divergence by
#: which `cvae` draws the digits best. With a weight of 1 the images of a class are nearly the same,
#: since few dimensions of z are used beside the class; with 0.3 some are no digits.
SMALL_SIDE, SMALL_LAYERS, SMALL_BETA = 16, (256, 128), 0.4
#: How many such images it is shown: 250 epochs of the digits. The most epochs for few of them.
SMALL_SHOWN, MOST_EPOCHS = 360_000, 1_000
#: The same of larger images, 20 epochs of MNIST, and how these are drawn: codes from the prior lie
#: where no image does, most of all where the divergence weighs little, and `aggregate` avoids that.
LARGE_LAYERS, LARGE_SHOWN, LARGE_SAMPLER = (512, 512), 1_200_000, "aggregate"
#: The most classes, and the longest code, for which it is fitted without being asked for.
MOST_CLASSES, LONGEST_CODE = 100, 64
#: Of those in grey.
GREY_LATENT, GREY_BETA = 10, 0.5


def suggest(config: VAEConfig, data_spec: DataSpec, images: int) -> dict[str, Any]:
    """Return settings of `cvae` for the data: epochs, layers, and how images are drawn.

    Images that are small or grey have a weight of the KL divergence, too, unless it is of another
    likelihood, whose nats have another scale.
    """
    if data_spec.condition is None:
        return {}
    small = max(data_spec.height, data_spec.width) <= SMALL_SIDE
    shown = SMALL_SHOWN if small else LARGE_SHOWN
    found: dict[str, Any] = {"epochs": min(max(1, round(shown / images)), MOST_EPOCHS)}
    if config.network == "mlp":
        found["model.hidden_dims"] = SMALL_LAYERS if small else LARGE_LAYERS
    if small:
        found["loss.beta"] = SMALL_BETA
    elif data_spec.channels == 1:
        found |= {"model.latent_dim": GREY_LATENT, "loss.beta": GREY_BETA}
    if config.likelihood != "bernoulli":
        found.pop("loss.beta", None)
    if not small and _has_few_classes(data_spec) and config.latent_dim <= LONGEST_CODE:
        found["sampler"] = LARGE_SAMPLER
    return found


def _has_few_classes(data_spec: DataSpec) -> bool:
    condition = data_spec.condition
    return isinstance(condition, Classes) and condition.count <= MOST_CLASSES


@hookimpl
def gtk_models() -> list[ModelSpec]:
    """Return `vae` and `cvae`."""
    vae = ModelSpec(
        name="vae",
        summary="Variational autoencoder.",
        config=VAEConfig,
        target="gtk.plugins.vae.model:VariationalAutoencoder",
        loss="elbo",
        conditioner="unconditional",
        bf16=True,
    )
    summary = "Conditional VAE: the same networks, with the label as a second input."
    conditional = replace(
        vae,
        name="cvae",
        summary=summary,
        conditioner="onehot",
        suggest=suggest,
        suggests=frozenset(
            {"epochs", "loss.beta", "model.hidden_dims", "model.latent_dim", "sampler"}
        ),
    )
    return [vae, conditional]
