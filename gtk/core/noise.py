"""Noise: what sampling starts from, and what a loss draws while it trains."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class NoiseSpec:
    """Standard normal noise of a given shape, as data, so that a runtime without torch can draw it.

    Attributes:
        shape: of one image's noise, without the batch.
    """

    shape: tuple[int, ...]

    def draw(self, count: int, seed: int) -> NDArray[np.float32]:
        """Draw noise for `count` images, image by image: (count, *shape), float32.

        A longer draw begins with the shorter one, so splitting into batches changes nothing.
        `gtk.exports.runtime`, which may import nothing of ours, draws the same.
        """
        generator = np.random.default_rng(seed)
        return generator.standard_normal((count, *self.shape), dtype=np.float32)


class Noise:
    """Draws for one step of a training or one block of an evaluation.

    Args:
        device: where the draws live.
    """

    def __init__(self, device: torch.device) -> None:
        self._generator = torch.Generator(device)

    def seed(self, seed: int) -> None:
        """Start the sequence that belongs to `seed`."""
        self._generator.manual_seed(seed)

    def normal(self, *shape: int) -> Tensor:
        """Draw standard normal noise; the first number of the shape is the batch."""
        return torch.randn(shape, generator=self._generator, device=self._generator.device)

    def uniform(self, *shape: int) -> Tensor:
        """Draw numbers from 0 to 1; the first number of the shape is the batch."""
        return torch.rand(shape, generator=self._generator, device=self._generator.device)

    def labels(self, count: int, classes: int) -> Tensor:
        """Draw class labels, all equally likely: (count,), int64."""
        device = self._generator.device
        return torch.randint(classes, (count,), generator=self._generator, device=device)

    def permutation(self, count: int) -> Tensor:
        """Draw an order of `count` things: (count,), int64."""
        device = self._generator.device
        return torch.randperm(count, generator=self._generator, device=device)
