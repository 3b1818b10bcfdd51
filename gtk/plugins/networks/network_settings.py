"""Settings of the networks of flow and diffusion models; importing them does not import torch."""

from dataclasses import dataclass
from typing import Literal

#: Pixels along a side of a patch.
PATCHES = (1, 2, 4)


@dataclass(frozen=True, kw_only=True)
class MLPSettings:
    """Settings of fully connected layers.

    Attributes:
        width: features of each hidden layer.
        depth: hidden layers.
        normalization: before each activation.
    """

    width: int
    depth: int
    normalization: Literal["none", "group"]


@dataclass(frozen=True, kw_only=True)
class UNetSettings:
    """Settings of a U-Net.

    Attributes:
        channels: of the maps of each level; every level after the first has maps of half the size.
        blocks: residual blocks of a level, on the way down and again on the way up.
        attention_sizes: sizes of maps, as their longer side in pixels, on which blocks are followed
            by attention; the middle, on the smallest maps, always has attention.
        patch: pixels along a side of the patches that become one pixel of the first maps.

    Raises:
        ValueError: a size below 1, no channels, or another patch than 1, 2 or 4.
    """

    channels: tuple[int, ...] = (64, 128)
    blocks: int = 1
    attention_sizes: tuple[int, ...] = ()
    patch: int = 2

    def __post_init__(self) -> None:
        if not self.channels:
            raise ValueError("channels must be at least one width, not ()")
        for name in ("channels", "attention_sizes"):
            if min(getattr(self, name), default=1) < 1:
                raise ValueError(f"{name} must be at least 1 each, not {getattr(self, name)}")
        if self.blocks < 1:
            raise ValueError(f"blocks must be at least 1, not {self.blocks}")
        check_patch(self.patch)


@dataclass(frozen=True, kw_only=True)
class TransformerSettings:
    """Settings of a transformer.

    Attributes:
        width: features of a token.
        depth: blocks of attention and a perceptron.
        patch: pixels along a side of the patches that become tokens.

    Raises:
        ValueError: a width that is not a multiple of 4, a depth below 1, or another patch than 1, 2
            or 4.
    """

    width: int = 192
    depth: int = 4
    patch: int = 4

    def __post_init__(self) -> None:
        if self.width < 1 or self.width % 4:  # a sine and a cosine of either coordinate
            raise ValueError(f"width must be a multiple of 4, not {self.width}")
        if self.depth < 1:
            raise ValueError(f"depth must be at least 1, not {self.depth}")
        check_patch(self.patch)


def check_patch(patch: int) -> None:
    """Raise ValueError for another size than those of `PATCHES`."""
    if patch not in PATCHES:
        raise ValueError(f"patch must be 1, 2 or 4, not {patch}")
