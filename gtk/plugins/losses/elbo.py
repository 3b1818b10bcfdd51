"""The evidence lower bound, turned into a loss."""

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor

from gtk.core.loss import Context, Loss, Update
from gtk.core.store import Batch
from gtk.plugins.losses import ELBOConfig
from gtk.plugins.vae.protocol import LatentVariableModel


class ELBO(Loss):
    """reconstruction + beta KL, averaged over the batch and summed over pixels and dimensions.

    -log p(x | z, c), with one z from q(z | x, c), and KL(q(z | x, c) || p(z | c)): Kingma and
    Welling (arXiv:1312.6114), equation 10; beta as in Higgins et al. (ICLR 2017), equation 4.

    Args:
        config: beta.
    """

    requires: ClassVar[type] = LatentVariableModel
    unit: ClassVar[str] = "nats per image"

    def __init__(self, config: ELBOConfig) -> None:
        self._beta = config.beta

    def updates(
        self, model: LatentVariableModel, batch: Batch, context: Context
    ) -> Iterator[Update]:
        """Yield one update of the whole model."""
        reconstruction, divergence = (term.mean() for term in self._terms(model, batch, context))
        loss = torch.add(reconstruction, divergence, alpha=self._beta)
        yield Update(loss, {"reconstruction": reconstruction, "kl": divergence})

    def evaluate(
        self, model: LatentVariableModel, batch: Batch, context: Context
    ) -> dict[str, Tensor]:
        """Return "loss", "reconstruction" and "kl" of every image, (B,) each, in nats."""
        reconstruction, divergence = self._terms(model, batch, context)
        loss = torch.add(reconstruction, divergence, alpha=self._beta)
        return {"loss": loss, "reconstruction": reconstruction, "kl": divergence}

    @staticmethod
    def _terms(model: LatentVariableModel, batch: Batch, context: Context) -> tuple[Tensor, Tensor]:
        """Return reconstruction and divergence of every image, (B,) each."""
        posterior = model.encode(batch.images, batch.condition)
        z = posterior.transform(context.noise.normal(*posterior.mean.shape))
        parameters = model.decode(z, batch.condition)
        reconstruction = -model.log_likelihood(parameters, batch.images)
        return reconstruction, model.prior(batch.condition).divergence(posterior)
