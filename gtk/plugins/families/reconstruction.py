"""What is left of images on their way through a model's code and back."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gtk.core.contracts.model import Model, ReconstructingModel
from gtk.core.models.sampling import check_images
from gtk.core.values.errors import InvalidValue
from gtk.plugins.families.latent_variable import LatentVariableModel
from gtk.plugins.families.output_checks import posterior

#: Images in one pass.
BATCH = 256

Reconstruct = Callable[[Tensor, Tensor | None], Tensor]


def reconstruction_of(model: Model) -> Reconstruct | None:
    """Return what maps images (B, C, H, W) and a condition to what is left of them.

    The model's own `reconstruct`; or by way of the posterior's mean, where there is a posterior;
    None where the model encodes no images.
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
    """What is left of images, as numpy arrays.

    Args:
        model: in eval mode, on its device.

    Raises:
        InvalidValue: the model encodes no images.
    """

    def __init__(self, model: Model) -> None:
        reconstruct = reconstruction_of(model)
        if reconstruct is None:
            raise InvalidValue(
                "this model encodes no images: use a run of one that does, such as vae or cvae"
            )
        self._reconstruct = reconstruct
        self._device = next(model.parameters()).device

    def __call__(
        self, images: NDArray[np.uint8], labels: NDArray[Any] | None
    ) -> NDArray[np.float32]:
        """Map images (N, C, H, W) and their conditions to as many in 0..1."""
        left = []
        with torch.no_grad():
            for start in range(0, len(images), BATCH):
                rows = slice(start, start + BATCH)
                batch = self._on_device(images[rows]).to(torch.float32).div_(255)
                condition = None if labels is None else self._on_device(labels[rows])
                left.append(self._reconstruct(batch, condition).cpu().numpy())
        return np.concatenate(left)

    def _on_device(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)
