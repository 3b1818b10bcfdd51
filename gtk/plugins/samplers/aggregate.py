"""Draw codes from a Gaussian mixture of the encoded training images."""

import math
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.sampler import Sampler
from gtk.core.storage.tensor_file import check_tensors
from gtk.core.values.condition import Classes
from gtk.core.values.errors import InvalidValue, WorkFailed
from gtk.core.values.noise import NoiseSpec
from gtk.core.values.tracking import track
from gtk.plugins.families.latent_variable import LatentVariableModel
from gtk.plugins.families.output_checks import posterior
from gtk.plugins.samplers import AggregateConfig

#: The most images that a mixture is fitted to.
MOST_IMAGES = 50_000
#: The fewest codes that are drawn for each component.
FEWEST_CODES = 100
#: More than any quantile.
BEYOND = 2.0

#: Weights (K,), means (K, D) and Cholesky factors of the covariances (K, D, D).
Mixture = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


class Aggregate(Sampler[LatentVariableModel]):
    """Codes from a mixture of Gaussians that is fitted to those of the training images.

    A decoder has seen the aggregate posterior, the mean of q(z | x) over the images, which differs
    from the prior, so that codes from the prior may lie where no image does. Ghosh et al., From
    Variational to Deterministic Autoencoders (arXiv:1903.12436), section 3.2, fit a mixture with
    full covariances to it afterwards.

    It is fitted to draws from the posteriors, not to their means: the decoder was trained on those,
    and where a posterior equals the prior the means alone would be a point. Where a class has few
    images each is drawn several times. Each class of a model of classes has its mixture; an image
    without a condition, and those of other models, have one of all.

    "z" is the noise of the chosen component, "choice" chooses it by its quantile.
    """

    requires = LatentVariableModel
    config: AggregateConfig

    @property
    def noise(self) -> Mapping[str, NoiseSpec]:
        """The noise of a component, and that which chooses it."""
        return {**super().noise, "choice": NoiseSpec((1,))}

    @property
    def _groups(self) -> int:
        """The number of mixtures that are fitted: one for each class."""
        model: Any = self.model
        return model.condition.count if isinstance(model.condition, Classes) else 1

    @property
    def _by_class(self) -> bool:
        model: Any = self.model
        return isinstance(model.condition, Classes)

    def fit(self, batches: Iterable[Batch]) -> dict[str, Tensor]:
        """Encode images and fit the mixtures: means, factors and cumulated weights.

        All components lie in one list; a row of `cumulated` is the weights of one class, added up,
        and the last row those of all images.

        Raises:
            WorkFailed: the codes are not finite.
        """
        means, deviations, groups = self._posteriors(batches)
        generator, size = np.random.default_rng(0), self.config.components
        weights = np.zeros((self._groups + 1, self._groups * size))
        found = []
        for group in track(range(self._groups), "fitting mixtures", self._groups):
            rows = np.flatnonzero(groups == group)
            times = math.ceil(size * FEWEST_CODES / max(len(rows), 1))
            rows = rows.repeat(times)
            noise = generator.standard_normal((len(rows), means.shape[1]))
            own, *rest = _mixture(means[rows] + deviations[rows] * noise, size)
            weights[group, group * size : (group + 1) * size] = own
            weights[-1] += weights[group] * len(rows) / times / len(groups)
            found.append(rest)
        weights[weights.sum(1) == 0] = weights[-1]  # classes without an image
        return {
            "cumulated": torch.from_numpy(_cumulated(weights)).float(),
            "means": torch.from_numpy(np.concatenate([item[0] for item in found])).float(),
            "factors": torch.from_numpy(np.concatenate([item[1] for item in found])).float(),
        }

    def _posteriors(
        self, batches: Iterable[Batch]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Return means and deviations, (N, D) each, and the mixtures, (N,), of the images."""
        found, count = [], 0
        for batch in batches:
            q = posterior(self.model, self.model.encode(batch.images, batch.condition))
            group = torch.zeros(len(batch), dtype=torch.int64)
            if self._by_class and batch.condition is not None:
                group = batch.condition.cpu()
            found.append((q.mean.cpu(), torch.exp(0.5 * q.log_variance).cpu(), group))
            count += len(batch)
            if count >= MOST_IMAGES:
                break
        means, deviations, groups = (torch.cat(items).numpy() for items in zip(*found, strict=True))
        if not (np.isfinite(means).all() and np.isfinite(deviations).all()):
            raise WorkFailed(
                "the model encodes images as numbers that are not finite: check whether the "
                "training diverged"
            )
        return means.astype(np.float64), deviations.astype(np.float64), groups

    def module(self) -> nn.Module:
        """Return the mixture, then the decoder with the expected image.

        Raises:
            InvalidValue: what was fitted is not of this model's shapes.
        """
        model: Any = self.model
        size, width = self._groups * self.config.components, math.prod(model.noise.shape)
        expected = {
            "cumulated": torch.empty(self._groups + 1, size),
            "means": torch.empty(size, width),
            "factors": torch.empty(size, width, width),
        }
        try:
            check_tensors(self.fitted, expected)
        except InvalidValue as error:
            raise InvalidValue(f"the fitted mixture does not fit the model: {error}") from error
        return _Draw(self.model, self.fitted, by_class=self._by_class)


class _Draw(nn.Module):
    cumulated: Tensor
    means: Tensor
    factors: Tensor

    def __init__(
        self, model: LatentVariableModel, fitted: Mapping[str, Tensor], *, by_class: bool
    ) -> None:
        super().__init__()
        self.model: Any = model
        self._by_class = by_class
        for name, tensor in fitted.items():
            self.register_buffer(name, tensor)

    def forward(self, z: Tensor, choice: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map noise (B, *noise.shape), noise (B, 1) and a condition to images in 0..1."""
        of_all = torch.full_like(choice[:, 0], len(self.cumulated) - 1, dtype=torch.int64)
        group = condition if self._by_class and condition is not None else of_all
        quantile = (1 + torch.erf(choice / math.sqrt(2))) / 2
        component = (quantile >= self.cumulated[group]).sum(1)
        moved = self.factors[component] @ z.flatten(1).unsqueeze(2)
        code = self.means[component] + moved.squeeze(2)
        images: Tensor = self.model.expected_image(self.model.decode(code, condition))
        return images


def _mixture(codes: NDArray[np.float64], size: int) -> Mixture:
    """Fit a mixture of `size` components to codes (N, D), all of weight 0 where there are none.

    Raises:
        WorkFailed: the codes are too large.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    if not len(codes):
        width = codes.shape[1]
        return np.zeros(size), np.zeros((size, width)), np.zeros((size, width, width))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of codes that are equal, too
        try:
            found = GaussianMixture(size, random_state=0).fit(codes)
            return found.weights_, found.means_, np.linalg.cholesky(found.covariances_)
        except ValueError as error:  # LinAlgError is one
            raise WorkFailed(
                f"the model encodes images as numbers of up to {abs(codes).max():.3g}, to which no "
                "mixture can be fitted: check whether the training diverged"
            ) from error


def _cumulated(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add up each row of weights, beyond 1 at its last component, which no quantile then passes."""
    cumulated = weights.cumsum(1)
    cumulated[cumulated > 1 - 1e-6] = BEYOND
    return cumulated
