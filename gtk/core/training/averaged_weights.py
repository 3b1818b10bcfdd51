"""The average of a model's weights over the steps of a training."""

from copy import deepcopy

import numpy as np
import torch
from torch import Tensor

from gtk.core.contracts.model import Model


class AveragedWeights:
    """A copy of a model that keeps an average of its weights.

    After t steps the decay is at most (1 + t) / (10 + t), so that the weights of the first steps
    are soon forgotten, even in a training too short for the whole decay. The running statistics of
    batch normalization are the model's own.

    torch's `AveragedModel` computes the same; it waits for a GPU in each step, since it keeps the
    number of steps in a tensor.

    Attributes:
        module: the copy.
        steps: how many steps it averages.
    """

    def __init__(self, model: Model, decay: float) -> None:
        self.module = deepcopy(model)
        self.steps = 0
        self._decay = np.float32(decay)

    @torch.no_grad()
    def update(self, model: Model) -> None:
        """Take in the weights after a step."""
        averages: list[Tensor] = list(self.module.parameters())
        weights: list[Tensor] = list(model.parameters())
        if self.steps:
            decay = min(np.float32((1 + self.steps) / (10 + self.steps)), self._decay)
            torch._foreach_lerp_(averages, weights, float(1 - decay))
        else:
            torch._foreach_copy_(averages, weights)
        pairs = list(zip(self.module.buffers(), model.buffers(), strict=True))
        for kind in {average.dtype for average, _ in pairs}:  # one kernel each on a GPU
            same = [pair for pair in pairs if pair[0].dtype == kind]
            torch._foreach_copy_([average for average, _ in same], [own for _, own in same])
        self.steps += 1
