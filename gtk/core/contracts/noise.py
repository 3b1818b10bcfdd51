"""The random draws of a loss."""

import torch
from torch import Tensor


class Noise:
    """A generator for one step of a training or one block of an evaluation.

    Args:
        device: of the tensors that it returns.
    """

    def __init__(self, device: torch.device) -> None:
        self._generator = torch.Generator(device)

    def seed(self, seed: int) -> None:
        """Start the sequence of `seed`."""
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

    def permuted(self, rows: Tensor) -> Tensor:
        """Return rows (B, ...), without a gradient, in an order that it draws.

        Where a step has several batches, it is an order of the rows of all of them.
        """
        return rows.detach()[self.permutation(len(rows))]
