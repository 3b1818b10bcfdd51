"""Variational autoencoders: `vae` and `cvae` are the same networks with another conditioner."""

from dataclasses import dataclass, field
from typing import Literal

from gtk.core.registry.hooks import hookimpl
from gtk.core.registry.spec import ModelSpec


@dataclass(frozen=True, kw_only=True)
class VAEConfig:
    """Options of `vae` and `cvae`.

    Raises:
        ValueError: a size below 1, or a variance, epsilon or momentum outside its range.
    """

    network: Literal["mlp", "conv"] = field(
        default="mlp", metadata={"help": "Fully connected or convolutional layers."}
    )
    latent_dim: int = field(default=16, metadata={"help": "Width of the latent code z."})
    hidden_dims: tuple[int, ...] = field(
        default=(256,),
        metadata={
            "help": "Widths of the fully connected layers, from the image inwards: 512,256. "
            "With conv, of the decoder's, which has one more to make its first maps."
        },
    )
    channels: tuple[int, ...] = field(
        default=(32, 64, 128),
        metadata={"help": "conv: of the encoder's layers, each of which halves the image."},
    )
    decoder_channels: tuple[int, ...] = field(
        default=(),
        metadata={
            "help": "conv: of the decoder's stages, each of which doubles the image; none for the "
            "encoder's, reversed."
        },
    )
    normalization: Literal["none", "batch", "group"] = field(
        default="none", metadata={"help": "Behind the activations of both networks."}
    )
    norm_epsilon: float = field(
        default=1e-5, metadata={"help": "Added to the variance in a normalization."}
    )
    norm_momentum: float = field(
        default=0.1, metadata={"help": "Weight of a batch in batch normalization's statistics."}
    )
    likelihood: Literal["bernoulli", "gaussian", "learned-gaussian", "discretized-logistic"] = (
        field(
            default="bernoulli",
            metadata={
                "help": "What the decoder says of a pixel; learned: with a variance of its own.",
                # It scales the nats, as a fixed variance does.
                "comparable": {"gaussian": ("variance",)},
            },
        )
    )
    variance: float = field(
        default=0.01, metadata={"help": "gaussian: of every pixel, which is in 0..1."}
    )
    prior: Literal["standard", "learned"] = field(
        default="standard",
        metadata={"help": "Of z: N(0, I), or a Gaussian learned for every condition."},
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


@hookimpl
def gtk_models() -> list[ModelSpec]:
    """Return both."""
    target = "gtk.plugins.vae.model:VariationalAutoencoder"
    return [
        ModelSpec(
            name="vae",
            summary="Variational autoencoder.",
            config=VAEConfig,
            target=target,
            loss="elbo",
            conditioner="unconditional",
        ),
        ModelSpec(
            name="cvae",
            summary="Conditional VAE: the same networks, with the label as a second input.",
            config=VAEConfig,
            target=target,
            loss="elbo",
            conditioner="onehot",
        ),
    ]
