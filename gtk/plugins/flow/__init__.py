"""Models that move noise to images: `flow` and `diffusion` are the same networks."""

from dataclasses import dataclass
from typing import Literal

from gtk.core.registry.hooks import hookimpl
from gtk.core.registry.options import option
from gtk.core.registry.spec import ModelSpec
from gtk.plugins.networks.network_settings import MLPSettings, TransformerSettings, UNetSettings

PathName = Literal["straight", "cosine", "variance-preserving"]
PredictionName = Literal["epsilon", "x", "v"]


@dataclass(frozen=True, kw_only=True)
class FlowConfig:
    """Options of `flow`.

    Raises:
        ValueError: a size that the network cannot have.
    """

    network: Literal["mlp", "unet", "transformer"] = option(
        "mlp", "Fully connected layers for small images, a U-Net, or a transformer."
    )
    path: PathName = option(
        "straight", "How image and noise are mixed at each time.", comparable={}
    )
    width: int = option(
        0, "mlp and transformer: features of each layer; 0 for 512 and 192.", memory=True
    )
    depth: int = option(0, "mlp and transformer: layers; 0 for 3 and 4.", memory=True)
    channels: tuple[int, ...] = option(
        (64, 128), "unet: channels of each level, from the image inwards.", memory=True
    )
    blocks: int = option(1, "unet: residual blocks of a level.", memory=True)
    attention_sizes: tuple[int, ...] = option(
        (), "unet: sizes of maps with attention, besides the smallest.", memory=True
    )
    patch: int = option(
        0, "unet and transformer: pixels along a side of a patch, 1, 2 or 4; 0 for 2 and 4."
    )
    normalization: Literal["none", "group"] = option("none", "mlp: before each activation.")

    def __post_init__(self) -> None:
        for name in ("width", "depth", "patch"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")
        self.settings  # noqa: B018 - it refuses what the network cannot have

    @property
    def settings(self) -> "MLPSettings | UNetSettings | TransformerSettings":
        """The settings of the network."""
        match self.network:
            case "mlp":
                return MLPSettings(
                    width=self.width or 512, depth=self.depth or 3, normalization=self.normalization
                )
            case "unet":
                return UNetSettings(
                    channels=self.channels,
                    blocks=self.blocks,
                    attention_sizes=self.attention_sizes,
                    patch=self.patch or 2,
                )
            case "transformer":
                return TransformerSettings(
                    width=self.width or 192, depth=self.depth or 4, patch=self.patch or 4
                )


@dataclass(frozen=True, kw_only=True)
class DiffusionConfig(FlowConfig):
    """Options of `diffusion`.

    Raises:
        ValueError: a size below 1.
    """

    path: PathName = option("cosine", "How image and noise are mixed at each time.", comparable={})
    prediction: PredictionName = option(
        "v", "What the network puts out: the noise, the image, or EDM's mixture of both."
    )


@hookimpl
def gtk_models() -> list[ModelSpec]:
    """Return `flow` and `diffusion`."""
    return [
        ModelSpec(
            name="flow",
            summary="Flow matching: a network learns the velocity from noise to images.",
            config=FlowConfig,
            target="gtk.plugins.flow.model:Flow",
            loss="flow-matching",
            conditioner="film",
            sampler="heun",
            defaults={"learning_rate": 1e-3},
            bf16=True,
        ),
        ModelSpec(
            name="diffusion",
            summary="Diffusion with EDM's preconditioning: a network learns to remove noise.",
            config=DiffusionConfig,
            target="gtk.plugins.flow.model:Diffusion",
            loss="edm",
            conditioner="film",
            sampler="heun",
            defaults={"learning_rate": 1e-3},
            bf16=True,
        ),
    ]
