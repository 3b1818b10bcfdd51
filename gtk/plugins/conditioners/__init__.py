"""Conditioners: how a condition gets into a network."""

from dataclasses import dataclass

from gtk.core.registry.hooks import hookimpl
from gtk.core.registry.options import option
from gtk.core.registry.spec import ConditionerSpec


@dataclass(frozen=True, kw_only=True)
class EmbeddingConfig:
    """Options of `embedding`.

    Raises:
        ValueError: a width below 1.
    """

    embedding_dim: int = option(16, "Width of a condition's learned vector.")

    def __post_init__(self) -> None:
        if self.embedding_dim < 1:
            raise ValueError(f"embedding_dim must be at least 1, not {self.embedding_dim}")


@hookimpl
def gtk_conditioners() -> list[ConditionerSpec]:
    """Return the built-in conditioners."""
    return [
        ConditionerSpec(
            name="unconditional",
            summary="No condition acts: a cvae becomes a vae.",
            target="gtk.plugins.conditioners.unconditional:Unconditional",
            bf16=True,
        ),
        ConditionerSpec(
            name="onehot",
            summary="The label as a one-hot vector beside every network's input.",
            target="gtk.plugins.conditioners.onehot:OneHot",
            bf16=True,
        ),
        ConditionerSpec(
            name="embedding",
            summary="The condition as a learned vector beside every network's input.",
            config=EmbeddingConfig,
            target="gtk.plugins.conditioners.embedding:Embedding",
            bf16=True,
        ),
        ConditionerSpec(
            name="film",
            summary="Every hidden feature scaled and shifted by the condition.",
            target="gtk.plugins.conditioners.modulation:FiLM",
            bf16=True,
        ),
        ConditionerSpec(
            name="conditional-norm",
            summary="Batch or group normalizations scaled and shifted by the condition.",
            target="gtk.plugins.conditioners.modulation:ConditionalNormalization",
            bf16=True,
        ),
        ConditionerSpec(
            name="projection",
            summary="For GANs: a projection in the score, conditional-norm in the generator.",
            target="gtk.plugins.conditioners.projection:Projection",
            bf16=True,
        ),
    ]
