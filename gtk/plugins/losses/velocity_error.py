"""What the losses of flow and diffusion models share: a noisy image, and a squared error there."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Loss, Update
from gtk.core.contracts.noise import Noise
from gtk.core.values.path import Path
from gtk.plugins.families.full_precision import full
from gtk.plugins.families.velocity import VelocityModel, check_path
from gtk.plugins.losses import VelocityConfig
from gtk.plugins.losses.coupling import coupled


class VelocityError(Loss[VelocityModel]):
    """The squared error of the velocity, weighted by time, at images mixed with noise.

    A subclass draws the times and has its weights. With `min_snr`, the weights are instead those of
    Hang et al., Efficient Diffusion Training via Min-SNR Weighting (arXiv:2303.09556), equation 8:
    min(SNR, gamma) of the image's squared error, where SNR is alpha^2 / sigma^2.

    Args:
        config: coupling and weights.
    """

    requires: ClassVar[type] = VelocityModel
    unit: ClassVar[str] = "mean squared error"
    compiles = True
    config: VelocityConfig

    @abstractmethod
    def times(self, path: Path, noise: Noise, count: int) -> Tensor:
        """Draw times (count,) in 0..1."""

    @abstractmethod
    def weights(self, path: Path, time: Tensor) -> Tensor:
        """Return the weights, at times (B,), of the squared error of the velocity: (B,)."""

    def check(self, model: VelocityModel, total_steps: int) -> None:
        """Refuse a model without a path.

        Raises:
            InvalidValue: it has none.
        """
        check_path(model)

    def updates(self, model: VelocityModel, batch: Batch, context: Context) -> Iterator[Update]:
        """Yield one update of the whole model."""
        yield Update(self.evaluate(model, batch, context)["loss"].mean())

    def evaluate(self, model: VelocityModel, batch: Batch, context: Context) -> dict[str, Tensor]:
        """Return "loss" of every image, (B,)."""
        images = batch.images * 2 - 1
        noise = context.noise.normal(*images.shape)
        time = self.times(model.path, context.noise, len(batch))
        if self.config.coupling == "ot":
            noise = coupled(images, noise, batch.condition)
        weights = self._chosen_weights(model.path, time)
        error = context.compiled(squared_error)(model, images, noise, time, batch.condition)
        return {"loss": weights * error}

    def _chosen_weights(self, path: Path, time: Tensor) -> Tensor:
        if not self.config.min_snr:
            return self.weights(path, time)
        # An image's error is sigma over the determinant of the velocity's.
        least = (path.alpha(time) ** 2).minimum(self.config.min_snr * path.sigma(time) ** 2)
        weights: Tensor = least / path.determinant(time) ** 2
        return weights


def squared_error(
    model: VelocityModel, images: Tensor, noise: Tensor, time: Tensor, condition: Tensor | None
) -> Tensor:
    """Return the velocity's mean squared error over pixels, in float32: (B,).

    Images in -1..1 and noise are (B, C, H, W), times (B,).
    """
    wanted: Tensor = model.path.velocity(images, noise, time)
    found = full(model.velocity(model.path.mix(images, noise, time), time, condition))
    return (found - wanted).square().mean((1, 2, 3))
