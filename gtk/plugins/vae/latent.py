"""From images to latent codes and back, as numpy arrays."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gtk.core.contracts.model import Model
from gtk.core.values.errors import InvalidValue
from gtk.plugins.families.latent_variable import LatentVariableModel

#: Images in one pass.
BATCH = 256


class LatentSpace:
    """A trained model's way into its latent code and out of it.

    Args:
        model: in eval mode, on its device.

    Raises:
        InvalidValue: the model encodes no images.
    """

    def __init__(self, model: Model) -> None:
        if not isinstance(model, LatentVariableModel):
            raise InvalidValue(
                "this model encodes no images: use a run of one that does, such as vae or cvae"
            )
        self._model: LatentVariableModel = model
        self._device = next(model.parameters()).device

    def encode(self, images: NDArray[np.uint8], labels: NDArray[Any] | None) -> NDArray[np.float32]:
        """Map images (N, C, H, W) and their conditions to posterior means (N, D)."""
        means = []
        with torch.no_grad():
            for batch, condition in self._batches(images, labels):
                scaled = batch.to(torch.float32).div_(255)
                means.append(self._model.encode(scaled, condition).mean.cpu().numpy())
        return np.concatenate(means)

    def decode(self, z: NDArray[np.float32], labels: NDArray[Any] | None) -> NDArray[np.float32]:
        """Map latent codes (N, D) and conditions to expected images (N, C, H, W) in 0..1."""
        images = []
        with torch.no_grad():
            for batch, condition in self._batches(z, labels):
                expected = self._model.expected_image(self._model.decode(batch, condition))
                images.append(expected.cpu().numpy())
        return np.concatenate(images)

    def _batches(
        self, values: NDArray[Any], labels: NDArray[Any] | None
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        for start in range(0, len(values), BATCH):
            rows = slice(start, start + BATCH)
            condition = None if labels is None else self._on_device(labels[rows])
            yield self._on_device(values[rows]), condition

    def _on_device(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)
