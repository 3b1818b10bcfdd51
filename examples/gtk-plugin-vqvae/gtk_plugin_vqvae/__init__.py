"""The VQ-VAE of van den Oord, Vinyals and Kavukcuoglu (arXiv:1711.00937) for gtk.

This module is what gtk imports to list options: torch is imported with the targets, when they are
first used.
"""

from dataclasses import dataclass, field

import gtk


@dataclass(frozen=True, kw_only=True)
class VQVAEConfig:
    """Options of the model `vqvae`.

    Raises:
        ValueError: a size below 1, or a rate outside its range.
    """

    codes: int = field(default=32, metadata={"help": "Vectors in the codebook."})
    code_dim: int = field(default=16, metadata={"help": "Width of each of them."})
    channels: int = field(default=32, metadata={"help": "Of the encoder's and decoder's maps."})
    halvings: int = field(
        default=0,
        metadata={
            "help": "How often the encoder halves the image; 0: until no side is longer than 8, "
            "and once at least."
        },
    )
    codebook_decay: float = field(
        default=0.99, metadata={"help": "Of the codebook's moving averages, per step."}
    )
    prior_features: int = field(
        default=128, metadata={"help": "Width of the recurrent prior over the codes."}
    )
    prior_dropout: float = field(
        default=0.3, metadata={"help": "Share of the prior's features that a step leaves out."}
    )

    def __post_init__(self) -> None:
        for name, least in (
            ("codes", 2), ("code_dim", 1), ("channels", 1), ("halvings", 0), ("prior_features", 1),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        for name in ("codebook_decay", "prior_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in 0..1, less than 1, not {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class VQVAELossConfig:
    """Options of the loss `vqvae`.

    Raises:
        ValueError: a negative weight.
    """

    commitment: float = field(
        default=0.25, metadata={"help": "Weight of the commitment loss, beta in the paper."}
    )

    def __post_init__(self) -> None:
        if not 0 <= self.commitment < float("inf"):
            raise ValueError(f"commitment must be 0 or more, not {self.commitment}")


@gtk.hookimpl
def gtk_models() -> list[gtk.ModelSpec]:
    """Return the model."""
    return [
        gtk.ModelSpec(
            name="vqvae",
            summary="Discrete codes of an image, and an autoregressive prior over them.",
            config=VQVAEConfig,
            target="gtk_plugin_vqvae.model:VQVAE",
            loss="vqvae",
            conditioner="embedding",
            defaults={"decay": "cosine"},
        )
    ]


@gtk.hookimpl
def gtk_losses() -> list[gtk.LossSpec]:
    """Return its loss."""
    return [
        gtk.LossSpec(
            name="vqvae",
            summary="Reconstruction, commitment, and the prior's nats for the codes.",
            config=VQVAELossConfig,
            target="gtk_plugin_vqvae.loss:VQVAELoss",
        )
    ]
