"""How much of its latent code a model uses."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from gtk.core.contracts.batch import Batch
from gtk.core.registry.spec import NoConfig
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.figure import Figure, FigureSpec
from gtk.plugins.families.gaussian import DiagonalGaussian
from gtk.plugins.metrics.interval import mean_figure
from gtk.plugins.metrics.latent_variable_metric import LatentVariableMetric, check_finite

#: A dimension is active if its posterior mean has a larger variance over the images than this, as
#: in Burda et al., section 5.3.
ACTIVE_VARIANCE = 0.01
#: A dimension is used if it tells more about an image than this, in nats.
USED_NATS = 0.01


class LatentUse(LatentVariableMetric):
    """Active units, and the KL divergence of the posterior from the prior by dimension.

    Dimension u of the code is active if Cov_x(E_{q(u | x)}[u]) is more than 0.01: Burda, Grosse
    and Salakhutdinov (arXiv:1509.00519), section 5.3. It is used if KL(q(u | x, c) || p(u | c)),
    in closed form, is more than 0.01 nats on average. The counts differ with a prior that is
    learned for every condition: a dimension whose posterior only follows that
    prior is active, but not used.

    Args:
        config: none.
        data_spec: the images.
    """

    figures: ClassVar[Mapping[str, FigureSpec]] = {
        "active_units": FigureSpec(
            f"dimensions whose posterior mean has a variance above {ACTIVE_VARIANCE}",
            unit="dimensions",
        ),
        "used_dimensions": FigureSpec(
            f"dimensions with a mean KL above {USED_NATS} nats", unit="dimensions"
        ),
        "kl": FigureSpec("divergence of the posterior from the prior", unit="nats per image"),
    }
    config: NoConfig

    def __init__(self, config: NoConfig, data_spec: DataSpec) -> None:
        super().__init__(config, data_spec)
        self._origin: NDArray[np.float64] | None = None  # the first image's mean, (D,)
        self._sums: NDArray[np.float64] = np.zeros((3, 0))
        self._divergences: list[NDArray[np.float64]] = []  # (B,) each: 8 bytes an image

    def add(self, batch: Batch, encoded: DiagonalGaussian) -> None:
        """Add up the moments of the posterior means and the KL, by dimension.

        Raises:
            WorkFailed: a divergence is not finite.
        """
        found = self.model.prior(batch.condition).divergence(encoded)
        check_finite(found, "divergences")
        # Moved first: Apple's GPU has no float64.
        divergence = found.cpu().to(torch.float64).numpy()
        mean = encoded.mean.cpu().to(torch.float64).numpy()
        if self._origin is None:
            self._origin, self._sums = mean[0], np.zeros((3, mean.shape[1]))
        # From an origin near the mean, since squares of large means would hide a small variance.
        shifted = mean - self._origin
        self._sums += np.stack([shifted.sum(0), np.square(shifted).sum(0), divergence.sum(0)])
        self._divergences.append(divergence.sum(1))

    def compute(self) -> dict[str, Figure | float]:
        """Return the counts, and the mean KL over all images.

        Raises:
            InvalidValue: there are fewer than two images, which have no variance.
        """
        variance, divergence = self._by_dimension()
        return {
            "active_units": float((variance > ACTIVE_VARIANCE).sum()),
            "used_dimensions": float((divergence > USED_NATS).sum()),
            "kl": mean_figure(np.concatenate(self._divergences)),
        }

    def _by_dimension(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the variance of the posterior mean, and the mean KL in nats, (D,) each."""
        if self.count < 2:
            raise InvalidValue(
                f"the variance of a latent code needs at least two test images, not {self.count}"
            )
        first, second, divergence = self._sums
        variance = (second - np.square(first) / self.count) / (self.count - 1)
        return variance.clip(min=0), divergence / self.count  # rounding may make 0 negative

    def details(self) -> dict[str, Any]:
        """Return both by dimension, the most active first; "dimension" is their number from 0."""
        variance, divergence = self._by_dimension()
        order = np.argsort(-variance, kind="stable")
        return {
            "dimension": order.tolist(),
            "variance of mean by dimension": variance[order].tolist(),
            "kl by dimension": divergence[order].tolist(),
        }

    def protocol(self) -> dict[str, Any]:
        """Return the number of images, and what makes a dimension count."""
        return {
            **super().protocol(),
            "active variance": ACTIVE_VARIANCE,
            "used nats": USED_NATS,
        }
