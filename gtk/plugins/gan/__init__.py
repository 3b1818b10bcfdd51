"""Adversarial networks: `gan` and `cgan` are the same networks with another conditioner."""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from gtk.core.registry.hooks import hookimpl
from gtk.core.registry.options import option
from gtk.core.registry.spec import ModelSpec

#: Adam's settings for adversarial training: Radford, Metz and Chintala, DCGAN (arXiv:1511.06434).
DEFAULTS = MappingProxyType({"learning_rate": 2e-4, "adam_beta1": 0.5})


@dataclass(frozen=True, kw_only=True)
class GANConfig:
    """Options of `gan` and `cgan`.

    Raises:
        ValueError: a size below 1, or lists whose lengths do not fit each other.
    """

    network: Literal["conv", "mlp"] = option("conv", "Convolutional or fully connected layers.")
    latent_dim: int = option(100, "Width of the generator's noise z.")
    hidden_dims: tuple[int, ...] = option(
        (512, 256),
        "mlp: widths of the layers, from the image inwards, in both networks.",
        memory=True,
    )
    channels: tuple[int, ...] = option(
        (64, 128, 256),
        "conv: channels of the discriminator's layers, from the image inwards.",
        memory=True,
    )
    generator_channels: tuple[int, ...] = option(
        (),
        "conv: channels of the generator's layers, from the noise outwards, as many; by default "
        "the discriminator's, reversed.",
        memory=True,
    )
    kernels: tuple[int, ...] = option(
        (4,), "conv: width of each of these layers' kernels; one number for all."
    )
    strides: tuple[int, ...] = option((2,), "conv: stride of each layer; one number for all.")
    paddings: tuple[int, ...] = option((1,), "conv: padding of each layer; one number for all.")
    generator_normalization: Literal["none", "batch", "group"] = option(
        "batch", "Before every activation of the generator."
    )
    discriminator_normalization: Literal["none", "batch", "group", "spectral"] = option(
        "batch",
        "Before every activation of the discriminator but the first; spectral: of its weights.",
    )

    def __post_init__(self) -> None:
        if self.latent_dim < 1:
            raise ValueError(f"latent_dim must be at least 1, not {self.latent_dim}")
        for name in ("hidden_dims", "channels", "generator_channels", "kernels", "strides"):
            if min(getattr(self, name), default=1) < 1:
                raise ValueError(f"{name} must be at least 1 each, not {getattr(self, name)}")
        if min(self.paddings, default=0) < 0:
            raise ValueError(f"paddings must be 0 or more each, not {self.paddings}")
        if not self.channels:
            raise ValueError("channels must be at least one width, not ()")
        layers = len(self.channels)
        if len(self.generator_channels) not in (0, layers):
            raise ValueError(
                f"generator_channels must be as many as channels, {layers}, not "
                f"{len(self.generator_channels)}"
            )
        for name in ("kernels", "strides", "paddings"):
            if len(getattr(self, name)) not in (1, layers):
                raise ValueError(
                    f"{name} must be 1 number or one for each of the {layers} channels, not "
                    f"{len(getattr(self, name))}"
                )


@hookimpl
def gtk_models() -> list[ModelSpec]:
    """Return `gan` and `cgan`."""
    gan = ModelSpec(
        name="gan",
        summary="Generator and discriminator.",
        config=GANConfig,
        target="gtk.plugins.gan.model:AdversarialNetworks",
        loss="minimax",
        conditioner="unconditional",
        bf16=True,
        defaults=DEFAULTS,
    )
    summary = "Conditional GAN: the same networks, with the label as a second input."
    return [gan, replace(gan, name="cgan", summary=summary, conditioner="onehot")]
