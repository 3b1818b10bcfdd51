"""Variational autoencoders: `vae` and `cvae` are the same networks with another conditioner."""

from dataclasses import dataclass, field

from gtk.core.hooks import hookimpl
from gtk.core.spec import ModelSpec


@dataclass(frozen=True, kw_only=True)
class VAEConfig:
    """Options of `vae` and `cvae`.

    Raises:
        ValueError: a size below 1.
    """

    latent_dim: int = field(default=16, metadata={"help": "Width of the latent code z."})
    hidden_dims: tuple[int, ...] = field(
        default=(256,),
        metadata={"help": "Widths of the hidden layers, from the image inwards: 512,256."},
    )

    def __post_init__(self) -> None:
        if self.latent_dim < 1:
            raise ValueError(f"latent_dim must be at least 1, not {self.latent_dim}")
        if not self.hidden_dims or min(self.hidden_dims) < 1:
            raise ValueError(f"hidden_dims must be widths of at least 1, not {self.hidden_dims}")


@hookimpl
def gtk_models() -> list[ModelSpec]:
    """Return both."""
    target = "gtk.plugins.vae.model:VariationalAutoencoder"
    return [
        ModelSpec(
            name="vae",
            summary="Variational autoencoder of fully connected layers.",
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
