"""The likelihood that a model with a latent code gives test images."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.figure import Figure, FigureSpec
from gtk.plugins.families.gaussian import DiagonalGaussian
from gtk.plugins.families.importance_weights import weight_terms
from gtk.plugins.metrics import LikelihoodConfig
from gtk.plugins.metrics.interval import mean_figure
from gtk.plugins.metrics.latent_variable_metric import (
    LatentVariableMetric,
    check_finite,
    generator_of,
)


class Likelihood(LatentVariableMetric):
    """The ELBO with its two terms, and the importance-weighted bound, of log p(x | c).

    Of k codes z drawn from q(z | x, c), with weights w = p(x | z, c) p(z | c) / q(z | x, c):

    - `elbo` is the mean of log w: Kingma and Welling (arXiv:1312.6114), equation 2;
    - `nll` is -log of the mean of w: Burda, Grosse and Salakhutdinov (arXiv:1509.00519), equation
      8. It is an upper bound on -log p(x | c) on average, falls with k, and is -`elbo` with k = 1.

    `reconstruction` and `kl` are means over the same codes, so that `elbo` is exactly their
    difference. The loss `elbo` and the metric `latent-use` compute the KL in closed form, which
    differs by the noise of these codes. The intervals are those of a mean over images.

    What the figures mean depends on the model's p(x | z). For grey pixels a Bernoulli gives a
    cross-entropy, which is not a likelihood. A Gaussian is a density of values in 0..1: its
    `bits_per_dim` may be negative, and lie log2(255) bits below those of the levels 0..255.

    The codes of an image are drawn from (SEED, "likelihood", its number), on the CPU: models are
    compared with the same noise, however images are batched and on any device.

    Args:
        config: the number of samples k, and of images.
        data_spec: the images.
    """

    figures: ClassVar[Mapping[str, FigureSpec]] = {
        "elbo": FigureSpec(
            "evidence lower bound on log p(x)", unit="nats per image", better="higher"
        ),
        "reconstruction": FigureSpec(
            "expected log p(x | z)", unit="nats per image", better="higher"
        ),
        "kl": FigureSpec("divergence of the posterior from the prior", unit="nats per image"),
        "nll": FigureSpec(
            "importance-weighted bound on -log p(x)", unit="nats per image", better="lower"
        ),
        "bits_per_dim": FigureSpec(
            "nll for each value of an image", unit="bits per dimension", better="lower"
        ),
    }
    config: LikelihoodConfig

    def __init__(self, config: LikelihoodConfig, data_spec: DataSpec) -> None:
        super().__init__(config, data_spec)
        self.limit = config.images or None
        self._found: list[NDArray[np.float64]] = []  # (3, B) each: 24 bytes an image

    @property
    def images_at_a_time(self) -> int:
        """How many images are encoded at a time: as many as their codes are decoded in a block."""
        return max(1, self.block_rows // self.config.samples)

    def add(self, batch: Batch, encoded: DiagonalGaussian) -> None:
        """Note the reconstruction, the KL and the bound of each image, in nats.

        Raises:
            PluginError: the model does not return one likelihood for each image.
            WorkFailed: a likelihood is not finite.
        """
        samples, size = self.config.samples, len(batch)
        generators = [generator_of("likelihood", self.count + row) for row in range(size)]
        sums = torch.zeros(2, size, dtype=torch.float64)
        log_sum = torch.full((size,), -math.inf, dtype=torch.float64)  # of no weight yet
        for start in range(0, samples, self.block_rows):
            noise = _noise(generators, min(self.block_rows, samples - start), encoded)
            terms = weight_terms(self.model, batch.images, batch.condition, encoded, noise)
            # In float64, since there may be 100,000 terms; moved first: Apple's GPU has none.
            log_likelihood, log_prior, log_posterior = (
                torch.stack(terms).cpu().to(torch.float64).reshape(3, -1, size)
            )
            log_ratio = log_posterior - log_prior
            sums += torch.stack([log_likelihood.sum(0), log_ratio.sum(0)])
            log_sum = torch.logaddexp(log_sum, torch.logsumexp(log_likelihood - log_ratio, 0))
        bound = math.log(samples) - log_sum
        check_finite(torch.cat([sums.flatten(), bound]), "likelihoods")
        self._found.append(torch.stack([*(sums / samples), bound]).numpy())

    def compute(self) -> dict[str, Figure]:
        """Return the means over all images.

        Raises:
            InvalidValue: it was given no test image.
        """
        if not self._found:
            raise InvalidValue("the likelihood needs at least one test image")
        reconstruction, kl, nll = np.concatenate(self._found, axis=1)
        return {
            "elbo": mean_figure(reconstruction - kl),
            "reconstruction": mean_figure(reconstruction),
            "kl": mean_figure(kl),
            "nll": mean_figure(nll),
            "bits_per_dim": mean_figure(
                nll / (math.log(2) * math.prod(self.data_spec.image_shape))
            ),
        }

    def protocol(self) -> dict[str, Any]:
        """Return the number of samples, what the bound depends on, and how images were given."""
        return {
            "samples": self.config.samples,
            **super().protocol(),
            "pixels": "level / 255",
            "binarization": self.binarization(),
            "dequantization": "none",
        }


def _noise(generators: list[torch.Generator], count: int, encoded: DiagonalGaussian) -> Tensor:
    """Draw `count` codes' noise for each image, (count B, D): one of each, then the next."""
    width = encoded.mean.shape[1]
    drawn = [torch.randn(count, width, generator=generator) for generator in generators]
    return torch.stack(drawn, dim=1).flatten(0, 1).to(encoded.mean.device)
