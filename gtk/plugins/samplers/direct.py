"""Draw in one pass of the network."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from gtk.core.contracts.model import SampledModel, Sampling
from gtk.core.contracts.sampler import Sampler
from gtk.plugins.samplers import DirectConfig

#: Coefficients of two polynomials, the highest power first: Giles, "Approximating the erfinv
#: function" (GPU Computing Gems, 2011), table 5, for single precision.
CENTRAL = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
    -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
)  # fmt: skip
TAIL = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
    -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
)  # fmt: skip


class Direct(Sampler[SampledModel]):
    """Samples of the model, from noise that may be scaled or truncated."""

    requires = SampledModel
    config: DirectConfig

    def module(self) -> nn.Module:
        """Return the model's `sample`, after what changes the noise."""
        if self.config == DirectConfig():
            return Sampling(self.model)
        return _Draw(self.model, self.config)


class _Draw(nn.Module):
    def __init__(self, model: SampledModel, config: DirectConfig) -> None:
        super().__init__()
        self.model: Any = model
        self._config = config

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map noise (B, *noise.shape) and a condition to images (B, C, H, W) in 0..1."""
        if self._config.truncation:
            z = truncated(z, self._config.truncation)
        if self._config.temperature != 1:
            z = z * self._config.temperature
        images: Tensor = self.model.sample(z, condition)
        return images


def truncated(z: Tensor, bound: float) -> Tensor:
    """Map standard normal noise to that of a normal distribution truncated at `bound` deviations.

    BigGAN (Brock et al., arXiv:1809.11096) draws anew what is further out. This maps quantiles to
    quantiles, so that the same noise with another bound makes similar images: the quantile of a
    normal variable is (1 + erf(z / sqrt 2)) / 2, and truncating scales erf.
    """
    inside = math.erf(bound / math.sqrt(2))
    return math.sqrt(2) * inverse_erf(torch.erf(z / math.sqrt(2)) * inside)


def inverse_erf(x: Tensor) -> Tensor:
    """Return the inverse of erf to single precision, by operators that ONNX has."""
    w = -torch.log((1 - x) * (1 + x))
    near, far = w - 2.5, torch.sqrt(w.clamp_min(5)) - 3
    return x * torch.where(w < 5, _polynomial(CENTRAL, near), _polynomial(TAIL, far))


def _polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    value = torch.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value
