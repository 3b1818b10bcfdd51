"""Models that move noise to images: `flow` and `diffusion` are the same networks."""

from dataclasses import dataclass
from typing import Literal

from gtk.core.registry.hooks import hookimpl
from gtk.core.registry.options import option
from gtk.core.registry.spec import ModelSpec

PathName = Literal["straight", "cosine", "variance-preserving"]
PredictionName = Literal["epsilon", "x", "v"]


@dataclass(frozen=True, kw_only=True)
class FlowConfig:
    """Options of `flow`.

    Raises:
        ValueError: a size below 1.
    """

    network: Literal["mlp"] = option("mlp", "Fully connected layers.")
    path: PathName = option(
        "straight", "How image and noise are mixed at each time.", comparable={}
    )
    width: int = option(512, "mlp: features of each hidden layer.", memory=True)
    depth: int = option(3, "mlp: hidden layers.", memory=True)
    normalization: Literal["none", "group"] = option("none", "mlp: before each activation.")

    def __post_init__(self) -> None:
        for name in ("width", "depth"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


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
