"""A draw by many steps that are alike, which an exported file repeats in one loop."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor, nn


class Iteration(nn.Module, ABC):
    """A draw by `count` steps that are alike, such as those of a solver of differential equations.

    An export translates `begin`, one `step` and `end`, and repeats the step in an ONNX Loop, so
    that a file of 100 steps is as small, and as quickly exported, as one of a single step. What
    differs between steps comes from tables, `self.times.index_select(0, index.reshape(1))`
    (`self.times[index]` would wait for a GPU), and what some steps leave out from
    `torch.where(index == 0, ...)`: Python's `if` would choose once for all. Where
    `torch.compiler.is_exporting()` is false, an `if` may leave out what changes nothing.

    Attributes:
        count: the number of steps, 1 to 1,000 in an exported file.
    """

    count: int

    @abstractmethod
    def begin(self, z: Tensor, *others: Tensor, condition: Tensor | None) -> tuple[Tensor, ...]:
        """Return the state before the first step, tensors (B, ...).

        Args:
            z: noise (B, *noise.shape).
            others: further inputs (B, ...), such as the noise of each step.
            condition: as in `Model.sample`, None for a model without one.
        """

    @abstractmethod
    def step(self, index: Tensor, *state: Tensor, condition: Tensor | None) -> tuple[Tensor, ...]:
        """Return the state after a step: as many tensors, each of the same shape and type.

        Args:
            index: of the step, 0..count-1, an int64 scalar tensor.
            state: before the step.
            condition: as in `begin`.
        """

    @abstractmethod
    def end(self, *state: Tensor) -> Tensor:
        """Return the images (B, C, H, W) in 0..1 of the state after the last step."""

    def forward(self, z: Tensor, *others: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map noise and a condition to images (B, C, H, W) in 0..1."""
        for state in self.states(z, *others, condition=condition):
            last = state
        return self.end(*last)

    def states(
        self, z: Tensor, *others: Tensor, condition: Tensor | None = None
    ) -> Iterator[tuple[Tensor, ...]]:
        """Yield the state before the first step and after each; `end` makes images of any."""
        state = self.begin(z, *others, condition=condition)
        yield state
        for index in torch.arange(self.count, device=z.device):
            state = self.step(index, *state, condition=condition)
            yield state
