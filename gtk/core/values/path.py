"""Paths from noise to images: x_t = alpha(t) image + sigma(t) noise, t from 0 (noise) to 1 (image).

Everything here takes numpy arrays and torch tensors alike: it uses operators, and functions that
are methods of a tensor and functions of numpy.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

#: A numpy array or a torch tensor; numpy's numbers are arrays, too.
Numeric = Any

#: The least alpha or sigma to divide by: below it, what is divided is rounding.
LEAST = 1e-6


def evaluate(function: str, values: Numeric) -> Numeric:
    """Apply a function by its name in numpy and torch, such as "cos", to every value."""
    method = getattr(values, function, None)  # of a tensor; an array has no such method
    return getattr(np, function)(values) if method is None else method()


def spread(t: Numeric, x: Numeric) -> Numeric:
    """Return times () or (B,) in a shape that goes with images x (B, C, H, W)."""
    return t.reshape(-1, *[1] * (x.ndim - 1)) if getattr(t, "ndim", 0) else t


class Path(ABC):
    """How image and noise are mixed at each time t, and what follows of that.

    A subclass defines alpha, sigma and their derivatives. The rate of change of x_t between an
    image and noise is the velocity alpha'(t) image + sigma'(t) noise (Lipman et al., Flow Matching,
    arXiv:2210.02747, theorem 3), which a model learns the mean of. Mean velocity, mean image and
    mean noise at x follow from each other, by two equations:

        x = alpha image + sigma noise,  velocity = alpha' image + sigma' noise

    Times are (B,), or a 0-d array for all images; images, noise and velocities (B, C, H, W).
    """

    @abstractmethod
    def alpha(self, t: Numeric) -> Numeric:
        """Return the share of the image, which rises to 1."""

    @abstractmethod
    def sigma(self, t: Numeric) -> Numeric:
        """Return the standard deviation of the noise, which falls from 1."""

    @abstractmethod
    def alpha_rate(self, t: Numeric) -> Numeric:
        """Return the derivative of alpha by t."""

    @abstractmethod
    def sigma_rate(self, t: Numeric) -> Numeric:
        """Return the derivative of sigma by t."""

    @abstractmethod
    def time_of(self, ratio: Numeric) -> Numeric:
        """Return the time of a ratio sigma/alpha, the inverse of `ratio`."""

    def ratio(self, t: Numeric) -> Numeric:
        """Return sigma/alpha, the noise of an image that is not scaled: EDM's sigma."""
        return self.sigma(t) / self.alpha(t).clip(min=LEAST)

    def half_log_snr(self, t: Numeric) -> Numeric:
        """Return log(alpha/sigma), half the log of the signal-to-noise ratio; always finite."""
        return evaluate("log", self.alpha(t).clip(min=LEAST) / self.sigma(t).clip(min=LEAST))

    def mix(self, image: Numeric, noise: Numeric, t: Numeric) -> Numeric:
        """Return x_t."""
        t = spread(t, image)
        return self.alpha(t) * image + self.sigma(t) * noise

    def velocity(self, image: Numeric, noise: Numeric, t: Numeric) -> Numeric:
        """Return the velocity of x_t between an image and noise."""
        t = spread(t, image)
        return self.alpha_rate(t) * image + self.sigma_rate(t) * noise

    def image_from_velocity(self, x: Numeric, velocity: Numeric, t: Numeric) -> Numeric:
        """Return the image, "denoised", of a velocity at x."""
        t = spread(t, x)
        return (self.sigma(t) * velocity - self.sigma_rate(t) * x) / self.determinant(t)

    def noise_from_velocity(self, x: Numeric, velocity: Numeric, t: Numeric) -> Numeric:
        """Return the noise of a velocity at x."""
        t = spread(t, x)
        return (self.alpha_rate(t) * x - self.alpha(t) * velocity) / self.determinant(t)

    def noise_from_image(self, x: Numeric, image: Numeric, t: Numeric) -> Numeric:
        """Return the noise beside an image at x; where sigma is 0, any noise is."""
        t = spread(t, x)
        return (x - self.alpha(t) * image) / self.sigma(t).clip(min=LEAST)

    def image_from_noise(self, x: Numeric, noise: Numeric, t: Numeric) -> Numeric:
        """Return the image beside noise at x; where alpha is 0, any image is."""
        t = spread(t, x)
        return (x - self.sigma(t) * noise) / self.alpha(t).clip(min=LEAST)

    def determinant(self, t: Numeric) -> Numeric:
        """Return that of the two equations, alpha' sigma - alpha sigma', which is never 0.

        At a given x, a velocity's error is the image's error times the determinant over sigma.
        """
        return self.alpha_rate(t) * self.sigma(t) - self.alpha(t) * self.sigma_rate(t)


@dataclass(frozen=True)
class StraightPath(Path):
    """alpha = t, sigma = 1 - t: straight lines at constant speed.

    Lipman et al., Flow Matching for Generative Modeling (arXiv:2210.02747), equation 20 with
    sigma_min 0; Liu, Gong and Liu, Rectified Flow (arXiv:2209.03003), equation 1.
    """

    def alpha(self, t: Numeric) -> Numeric:
        """Return t."""
        return t

    def sigma(self, t: Numeric) -> Numeric:
        """Return 1 - t."""
        return 1 - t

    def alpha_rate(self, t: Numeric) -> Numeric:
        """Return 1."""
        return t * 0 + 1

    def sigma_rate(self, t: Numeric) -> Numeric:
        """Return -1."""
        return t * 0 - 1

    def time_of(self, ratio: Numeric) -> Numeric:
        """Return 1 / (1 + ratio)."""
        return 1 / (1 + ratio)


@dataclass(frozen=True)
class CosinePath(Path):
    """alpha = sin(pi t / 2), sigma = cos(pi t / 2): a quarter of a circle at constant speed.

    Nichol and Dhariwal, Improved Denoising Diffusion Probabilistic Models (arXiv:2102.09672),
    equation 17, without its offset s, so that there is no noise at time 1.
    """

    def alpha(self, t: Numeric) -> Numeric:
        """Return sin(pi t / 2)."""
        return evaluate("sin", t * (math.pi / 2))

    def sigma(self, t: Numeric) -> Numeric:
        """Return cos(pi t / 2), as a sine, which is exactly 0 at time 1."""
        return evaluate("sin", (1 - t) * (math.pi / 2))

    def alpha_rate(self, t: Numeric) -> Numeric:
        """Return sigma pi / 2."""
        return self.sigma(t) * (math.pi / 2)

    def sigma_rate(self, t: Numeric) -> Numeric:
        """Return -alpha pi / 2."""
        return self.alpha(t) * (-math.pi / 2)

    def time_of(self, ratio: Numeric) -> Numeric:
        """Return 1 - 2 arctan(ratio) / pi."""
        return 1 - evaluate("arctan", ratio) * (2 / math.pi)


@dataclass(frozen=True)
class VariancePreservingPath(Path):
    """alpha^2 + sigma^2 = 1, with a rate of noise that grows linearly: DDPM's, in continuous time.

        log alpha = -s^2 (most - least) / 4 - s least / 2

    Song et al., Score-Based Generative Modeling through Stochastic Differential Equations
    (arXiv:2011.13456), equation 33, where s runs from images to noise. Their samplers end at
    s = 1e-3 (appendix C), since sigma' is infinite at 0: so s = end + (1 - end) (1 - t) here, and
    at time 1 noise of 0.01 is left, a level of 8 bits.

    Attributes:
        least: rate of noise at images.
        most: rate of noise at noise.
        end: s of time 1.
    """

    least: float = 0.1
    most: float = 20.0
    end: float = 1e-3

    def alpha(self, t: Numeric) -> Numeric:
        """Return alpha."""
        return evaluate("exp", self._log_alpha(t))

    def sigma(self, t: Numeric) -> Numeric:
        """Return the root of 1 - alpha^2."""
        return (-evaluate("expm1", 2 * self._log_alpha(t))) ** 0.5

    def alpha_rate(self, t: Numeric) -> Numeric:
        """Return alpha times the derivative of its logarithm."""
        rate = self.least + self._s(t) * (self.most - self.least)
        return self.alpha(t) * rate * ((1 - self.end) / 2)

    def sigma_rate(self, t: Numeric) -> Numeric:
        """Return -alpha alpha' / sigma, since alpha^2 + sigma^2 stays 1."""
        return -self.alpha(t) * self.alpha_rate(t) / self.sigma(t)

    def time_of(self, ratio: Numeric) -> Numeric:
        """Solve the quadratic equation for s, without cancellation where s is small."""
        twice = evaluate("log1p", ratio * ratio)  # -2 log alpha
        root = (self.least**2 / 4 + (self.most - self.least) * twice / 2) ** 0.5
        return 1 - (twice / (self.least / 2 + root) - self.end) / (1 - self.end)

    def _s(self, t: Numeric) -> Numeric:
        return self.end + (1 - self.end) * (1 - t)

    def _log_alpha(self, t: Numeric) -> Numeric:
        s = self._s(t)
        return -s * (s * ((self.most - self.least) / 4) + self.least / 2)


#: By the name that options have.
PATHS: Mapping[str, Path] = MappingProxyType(
    {
        "straight": StraightPath(),
        "cosine": CosinePath(),
        "variance-preserving": VariancePreservingPath(),
    }
)
