"""Scales around a diffusion model's network, so that what goes in and comes out has variance 1."""

from dataclasses import dataclass

from torch import Tensor

from gtk.core.values.path import Path, spread
from gtk.plugins.families.velocity import DATA_DEVIATION
from gtk.plugins.flow import PredictionName

#: The least share of image or noise that one is computed by from the other: where there is less of
#: it, an error of the network would be all of it, and it is taken as smaller instead.
LEAST_SHARE = 0.02


@dataclass(frozen=True)
class Preconditioning:
    """EDM's preconditioning, on any path.

    With d the data's deviation, x / sqrt(sigma^2 + (alpha d)^2) has variance 1, and is

        a image/d + b noise,  a^2 + b^2 = 1

    The output of variance 1 from which image and noise follow with the least amplification of the
    network's error is b image/d - a noise: Karras et al. (arXiv:2206.00364), equation 7 and
    appendix B.6; with d = 1 it is the v of Salimans and Ho (arXiv:2202.00512), with the other sign.

    Attributes:
        path: of the model.
        prediction: "v" is that output, "x" is image/d, and "epsilon" is the noise.
    """

    path: Path
    prediction: PredictionName

    def scaled(self, x: Tensor, time: Tensor) -> Tensor:
        """Return the network's input for x (B, C, H, W) at times (B,)."""
        return x / self._deviation(spread(time, x))

    def image_and_noise(self, x: Tensor, output: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean image and noise, (B, C, H, W) each, that the network's output means."""
        t = spread(time, x)
        deviation = self._deviation(t)
        scaled = x / deviation
        a, b = self.path.alpha(t) * DATA_DEVIATION / deviation, self.path.sigma(t) / deviation
        if self.prediction == "v":
            return DATA_DEVIATION * (a * scaled + b * output), b * scaled - a * output
        if self.prediction == "x":
            return DATA_DEVIATION * output, (scaled - a * output) / b.clip(min=LEAST_SHARE)
        return DATA_DEVIATION * (scaled - b * output) / a.clip(min=LEAST_SHARE), output

    def _deviation(self, t: Tensor) -> Tensor:
        deviation: Tensor = (
            self.path.sigma(t) ** 2 + (self.path.alpha(t) * DATA_DEVIATION) ** 2
        ) ** 0.5
        return deviation
