"""Models that move noise to images: `flow` and `diffusion` are the same networks."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from gtk.core.registry.hooks import hookimpl
from gtk.core.registry.options import option
from gtk.core.registry.spec import ModelSpec
from gtk.core.values.dataset import DataSpec
from gtk.plugins.networks.network_settings import MLPSettings, TransformerSettings, UNetSettings

PathName = Literal["straight", "cosine", "variance-preserving"]
PredictionName = Literal["epsilon", "x", "v"]
NetworkName = Literal["mlp", "unet", "transformer"]
NetworkSettings = MLPSettings | UNetSettings | TransformerSettings
#: (channels, height, width).
ImageShape = tuple[int, int, int]

#: The most values of an image for which fully connected layers are chosen: 16x16 grey pixels.
FEW_VALUES = 256
#: The longest side, in pixels, for which each patch is chosen.
PATCH_UP_TO = {1: 16, 2: 64, 4: math.inf}
#: Settings of the trainer with which a small network learns most in few steps: the learning rate
#: rises, then falls to 0, and the average of the weights draws. Conditions are left out of some
#: images, so that drawing can be guided.
DEFAULTS = {
    "learning_rate": 1e-3,
    "adam_beta2": 0.99,
    "warmup_steps": 100,
    "decay": "cosine",
    "clip_norm": 1.0,
    "condition_dropout": 0.1,
    "average_decay": 0.999,
}


#: How many patches a U-Net is trained on, those of 10 passes of MNIST in patches of 2x2, and in how
#: many passes at most.
PATCHES_SEEN, MOST_EPOCHS = 120_000_000, 1000


@dataclass(frozen=True, kw_only=True)
class FlowConfig:
    """Options of `flow`.

    Raises:
        ValueError: a size that the network cannot have.
    """

    network: Literal["auto", "mlp", "unet", "transformer"] = option(
        "auto",
        "Fully connected layers, a U-Net, or a transformer; auto takes layers for images of "
        f"{FEW_VALUES} values or fewer, and a U-Net for others.",
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
        0,
        "unet and transformer: pixels along a side of a patch, 1, 2 or 4; 0 for unet's 1 up to 16 "
        "pixels, 2 up to 64, else 4, and for transformer's 4.",
    )
    normalization: Literal["none", "group"] = option("none", "mlp: before each activation.")

    def __post_init__(self) -> None:
        for name in ("width", "depth", "patch"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")
        smallest, larger = (1, 1, 1), (1, 1, FEW_VALUES + 1)
        for shape in (smallest, larger):  # it refuses what the network cannot have
            self.settings(shape)

    def network_for(self, image_shape: ImageShape) -> NetworkName:
        """Return the network for images (C, H, W)."""
        if self.network != "auto":
            return self.network
        return "mlp" if math.prod(image_shape) <= FEW_VALUES else "unet"

    def settings(self, image_shape: ImageShape) -> NetworkSettings:
        """Return the settings of the network for images (C, H, W)."""
        network = self.network_for(image_shape)
        if network == "mlp":
            width, depth = self.width or 512, self.depth or 3
            return MLPSettings(width=width, depth=depth, normalization=self.normalization)
        if network == "transformer":
            width, depth = self.width or 192, self.depth or 4
            return TransformerSettings(width=width, depth=depth, patch=self.patch or 4)
        return UNetSettings(
            channels=self.channels,
            blocks=self.blocks,
            attention_sizes=self.attention_sizes,
            patch=self.patch or patch_for(max(image_shape[1:])),
        )


def patch_for(side: int) -> int:
    """Return the patch for images whose longer side has so many pixels."""
    return next(patch for patch, most in PATCH_UP_TO.items() if side <= most)


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


def suggest(config: FlowConfig, data_spec: DataSpec, images: int) -> dict[str, Any]:
    """Return settings of the trainer for the data: a U-Net learns by Muon, from as many patches."""
    shape = data_spec.image_shape
    settings = config.settings(shape)
    if not isinstance(settings, UNetSettings):
        return {}
    patches = math.prod(-(-side // settings.patch) for side in shape[1:])
    epochs = min(max(1, round(PATCHES_SEEN / (patches * images))), MOST_EPOCHS)
    return {"optimizer": "muon", "learning_rate": 4e-3, "batch_size": 64, "epochs": epochs}


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
            defaults=DEFAULTS,
            bf16=True,
            suggest=suggest,
            suggests=frozenset({"optimizer", "learning_rate", "batch_size", "epochs"}),
        ),
        ModelSpec(
            name="diffusion",
            summary="Diffusion with EDM's preconditioning: a network learns to remove noise.",
            config=DiffusionConfig,
            target="gtk.plugins.flow.model:Diffusion",
            loss="edm",
            conditioner="film",
            sampler="heun",
            defaults=DEFAULTS,
            bf16=True,
        ),
    ]
