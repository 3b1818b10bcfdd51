"""Images encoded by a model and decoded again, as numpy arrays."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gtk.core.contracts.model import Model, ReconstructingModel
from gtk.core.models.sampling import check_images
from gtk.core.models.tf32 import without_tf32
from gtk.core.values.errors import InvalidValue
from gtk.plugins.families.latent_variable import LatentVariableModel
from gtk.plugins.families.output_checks import posterior

#: Images in one batch.
BATCH = 256
#: The error for a model without an encoder.
NO_ENCODER = "this model encodes no images: use a run of one that does, such as vae or cvae"

Reconstruct = Callable[[Tensor, Tensor | None], Tensor]


def reconstruction_of(model: Model) -> Reconstruct | None:
    """Return the function from images (B, C, H, W) and a condition to their reconstructions.

    It is the model's own `reconstruct`, or decodes the posterior's mean; None where the model
    encodes no images.
    """
    if isinstance(model, ReconstructingModel):
        return partial(_reconstruct, model)
    if isinstance(model, LatentVariableModel):
        return partial(_expect, model)
    return None


def _reconstruct(model: ReconstructingModel, images: Tensor, condition: Tensor | None) -> Tensor:
    given = model.reconstruct(images, condition)
    return check_images(model, "reconstruct", given, len(images))


def _expect(model: LatentVariableModel, images: Tensor, condition: Tensor | None) -> Tensor:
    mean = posterior(model, model.encode(images, condition)).mean
    given = model.expected_image(model.decode(mean, condition))
    return check_images(model, "expected_image", given, len(images))


class Reconstruction:
    """Reconstructs images given as numpy arrays.

    Args:
        model: in eval mode, on its device.

    Raises:
        InvalidValue: the model encodes no images.
    """

    def __init__(self, model: Model) -> None:
        reconstruct = reconstruction_of(model)
        if reconstruct is None:
            raise InvalidValue(NO_ENCODER)
        self._map = partial(map_batches, reconstruct, model)

    def __call__(
        self, images: NDArray[np.uint8], labels: NDArray[Any] | None
    ) -> NDArray[np.float32]:
        """Map images (N, C, H, W) and their conditions to reconstructions in 0..1."""
        return self._map(images, labels)


class LatentSpace:
    """Encodes images as latent codes of a trained model, and decodes codes and noise.

    Args:
        model: in eval mode, on its device.

    Raises:
        InvalidValue: the model encodes no images.
    """

    def __init__(self, model: Model) -> None:
        if not isinstance(model, LatentVariableModel):
            raise InvalidValue(NO_ENCODER)
        self._model = model

    def encode(self, images: NDArray[np.uint8], labels: NDArray[Any] | None) -> NDArray[np.float32]:
        """Map images (N, C, H, W) and their conditions to posterior means (N, D)."""
        model = self._model
        return map_batches(lambda *batch: model.encode(*batch).mean, model, images, labels)

    def decode(self, z: NDArray[np.float32], labels: NDArray[Any] | None) -> NDArray[np.float32]:
        """Map latent codes (N, D) and conditions to expected images (N, C, H, W) in 0..1."""
        model = self._model
        return map_batches(
            lambda *batch: model.expected_image(model.decode(*batch)), model, z, labels
        )

    def decode_noise(
        self, noise: NDArray[np.float32], labels: NDArray[Any] | None
    ) -> NDArray[np.float32]:
        """Map standard normal noise (N, D) and conditions to expected images (N, C, H, W) in 0..1.

        The prior makes the codes of it, whether it is learned or not.
        """
        model = self._model

        def expected(rows: Tensor, condition: Tensor | None) -> Tensor:
            z = model.prior(condition).transform(rows)
            return model.expected_image(model.decode(z, condition))

        return map_batches(expected, model, noise, labels)


def map_batches(
    function: Callable[[Tensor, Tensor | None], Tensor],
    model: Model,
    values: NDArray[Any],
    labels: NDArray[Any] | None,
) -> NDArray[np.float32]:
    """Map arrays through a function of tensors, batch by batch and without gradients.

    Args:
        function: maps a batch (B, ...) and its conditions to (B, ...).
        model: in eval mode; the batches are on its device.
        values: (N, ...); uint8 levels become float32 in 0..1.
        labels: the conditions of all rows, None where no condition acts.
    """
    device = next(model.parameters()).device

    def on_device(rows: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(rows)).to(device)

    results = np.empty((0, 0), np.float32)
    with torch.no_grad(), without_tf32(device):
        for start in range(0, len(values), BATCH):
            rows = slice(start, start + BATCH)
            batch = on_device(values[rows])
            if values.dtype == np.uint8:
                batch = batch.to(torch.float32).div_(255)
            condition = None if labels is None else on_device(labels[rows])
            result = function(batch, condition).cpu().numpy()
            if not start:
                # Allocated once: a small array kept for each batch would fragment the memory that
                # the batch before has freed, and memory would grow by a batch each time.
                results = np.empty((len(values), *result.shape[1:]), np.float32)
            results[rows] = result
    return results
