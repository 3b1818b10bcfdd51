"""What a sampler learns from training images, which it gets as a stream."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.sampler import Sampler
from gtk.core.models.loss_networks import eval_mode
from gtk.core.models.tf32 import without_tf32
from gtk.core.registry.installed import describe
from gtk.core.values.dataset import Split
from gtk.core.values.errors import PluginError, WorkFailed
from gtk.core.values.seeding import derive_seed

#: Images in one batch of the stream.
BATCH = 256


def learns(sampler_class: type[Sampler[Any]]) -> bool:
    """Return whether a sampler of this class is fitted to training images before it draws."""
    return sampler_class.fit is not Sampler.fit


def fit(sampler: Sampler[Any], split: Split, rows: Tensor, seed: int) -> int:
    """Fit a sampler to images, set its `fitted`, and return how many images it took.

    Args:
        sampler: of a model on its device.
        split: the training images.
        rows: those that the model was trained on, (N,), int64.
        seed: the training's, which decides their order.

    Raises:
        PluginError: the sampler returns other than tensors by name.
        WorkFailed: they are not finite.
    """
    device = next(sampler.model.parameters()).device
    stream = _Stream(split, rows, seed, sampler.model.condition is not None, device)
    with eval_mode(sampler.model), torch.no_grad(), without_tf32(device):
        found: Any = sampler.fit(iter(stream))
    if not isinstance(found, dict) or not all(isinstance(it, Tensor) for it in found.values()):
        raise PluginError(f"fit() of {describe(sampler)} must return a dict of tensors by name.")
    for name, tensor in found.items():
        if not tensor.isfinite().all():
            raise WorkFailed(
                f"fit() of {describe(sampler)} gives {name!r} with numbers that are not finite. "
                "Check whether the training diverged."
            )
    sampler.fitted = {name: tensor.to(device) for name, tensor in found.items()}
    return stream.count


class _Stream:
    """The batches of a fit; `count` images of them have been taken."""

    def __init__(
        self, split: Split, rows: Tensor, seed: int, conditional: bool, device: torch.device
    ) -> None:
        order = np.random.default_rng(derive_seed(seed, "fit")).permutation(len(rows))
        self._split, self._rows = split, rows.numpy()[order]
        self._conditional, self._device = conditional, device
        self.count = 0

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self._rows), BATCH):
            rows = self._rows[start : start + BATCH]
            images = torch.from_numpy(self._split.images[rows]).to(self._device)
            labels = torch.from_numpy(self._split.labels[rows]).to(self._device)
            self.count += len(rows)
            yield Batch(images.float().div_(255), labels if self._conditional else None)
