"""The negative importance-weighted bound."""

import math
from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Loss, Update
from gtk.plugins.families.gaussian import DiagonalGaussian
from gtk.plugins.families.importance_weights import weight_terms
from gtk.plugins.families.latent_variable import LatentVariableModel
from gtk.plugins.families.observation import observed
from gtk.plugins.families.output_checks import posterior
from gtk.plugins.losses import IWAEConfig

#: The most values of the images of one block, 64 MiB as float32; a small image counts as WIDTH,
#: since layers are wider. A block has SAMPLES in any case, so that a usual k takes one.
VALUES, WIDTH, SAMPLES = 1 << 24, 1 << 10, 8


class IWAE(Loss[LatentVariableModel]):
    """-log of the mean of k importance weights p(x | z, c) p(z | c) / q(z | x, c).

    Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders (arXiv:1509.00519), equation
    8: an upper bound on -log p(x | c) that falls with k; with k = 1 it is the negative ELBO.

    Args:
        config: the number of samples k.
    """

    requires: ClassVar[type] = LatentVariableModel
    unit: ClassVar[str] = "nats per image"
    compiles = True
    config: IWAEConfig

    def updates(
        self, model: LatentVariableModel, batch: Batch, context: Context
    ) -> Iterator[Update]:
        """Yield one update of the whole model; "elbo_loss" is the loss with one sample."""
        terms = self.evaluate(model, batch, context)
        yield Update(terms["loss"].mean(), {"elbo_loss": terms["elbo_loss"].mean()})

    def evaluate(
        self, model: LatentVariableModel, batch: Batch, context: Context
    ) -> dict[str, Tensor]:
        """Return "loss" and "elbo_loss", the loss with one sample, per image, (B,), in nats."""
        log_weights = self._log_weights(model, batch, context)
        loss = math.log(self.config.samples) - torch.logsumexp(log_weights, dim=0)
        return {"loss": loss, "elbo_loss": -log_weights.mean(0)}

    def _log_weights(self, model: LatentVariableModel, batch: Batch, context: Context) -> Tensor:
        """Return the log importance weights in nats: (k, B).

        Many samples are computed in blocks, which a gradient computes once more instead of keeping
        what every layer gave: so k changes how long a step takes, and hardly what it needs.
        """
        count, size = self.config.samples, len(batch)
        images, condition = observed(model, batch.images, context.noise), batch.condition
        encoded = posterior(model, context.compiled(model.encode)(images, condition))
        given = model, images, condition, encoded

        def block(noise: Tensor) -> Tensor:
            return _block_log_weights(*given, noise)

        def draw(samples: int) -> Tensor:
            return context.noise.normal(samples * size, *encoded.mean.shape[1:])

        values = size * max(WIDTH, images[0].numel())
        most = max(SAMPLES, VALUES // values)
        if count <= most:
            return context.compiled(_block_log_weights)(*given, draw(count))
        log_weights = encoded.mean.new_empty(count, size)
        for start in range(0, count, most):
            rows = log_weights[start : start + most]
            # Batch normalization normalizes each block, and notes its statistics twice.
            rows.copy_(checkpoint(block, draw(len(rows)), use_reentrant=False))
        return log_weights


def _block_log_weights(
    model: LatentVariableModel,
    images: Tensor,
    condition: Tensor | None,
    encoded: DiagonalGaussian,
    noise: Tensor,
) -> Tensor:
    """Return the log importance weights of the codes that noise (k B, D) makes: (k, B)."""
    terms = weight_terms(model, images, condition, encoded, noise)
    log_likelihood, log_prior, log_posterior = terms
    return (log_likelihood + log_prior - log_posterior).reshape(-1, len(images))
