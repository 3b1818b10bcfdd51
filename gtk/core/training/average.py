"""An average of a model's weights over the steps of a training."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from gtk.core.contracts.model import Model


def averaged_model(model: Model, decay: float) -> AveragedModel | None:
    """Return a copy that follows the model's weights at a distance, None for a decay of 0.

    After t steps the decay is no more than (1 + t) / (10 + t), so that the weights of the first
    steps are soon forgotten, also by a training too short for the whole decay. Running statistics
    of batch normalization are the model's own.
    """
    if not decay:
        return None

    def average(averages: Sequence[Tensor], weights: Sequence[Tensor], steps: Tensor | int) -> None:
        steps = torch.as_tensor(steps)
        share = 1 - ((1 + steps) / (10 + steps)).clamp(max=decay)
        share = share.to(averages[0].device)
        for mean, weight in zip(averages, weights, strict=True):
            mean.lerp_(weight, share)

    return AveragedModel(model, multi_avg_fn=average, use_buffers=False)
