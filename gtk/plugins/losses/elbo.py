"""The negative evidence lower bound."""

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Loss, Update
from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting
from gtk.core.values.text import counted
from gtk.plugins.families.full_precision import full
from gtk.plugins.families.gaussian import DiagonalGaussian
from gtk.plugins.families.latent_variable import LatentVariableModel
from gtk.plugins.families.observation import observed
from gtk.plugins.families.output_checks import per_image, posterior
from gtk.plugins.losses import ELBOConfig


class ELBO(Loss[LatentVariableModel]):
    """reconstruction + beta KL, averaged over the batch and summed over pixels and dimensions.

    -log p(x | z, c), with one z from q(z | x, c), and KL(q(z | x, c) || p(z | c)): Kingma and
    Welling (arXiv:1312.6114), equation 10; beta as in Higgins et al. (ICLR 2017), equation 4; it
    may grow from 0 (Bowman et al., arXiv:1511.06349, section 3.1). Free bits are the least that
    each dimension's KL, averaged over the batch, counts (Kingma et al., arXiv:1606.04934, equation
    15). Evaluation uses the full beta and no free bits.

    Args:
        config: beta, free bits and warm-up.
    """

    requires: ClassVar[type] = LatentVariableModel
    unit: ClassVar[str] = "nats per image"
    compiles = True
    config: ELBOConfig

    def check(self, model: LatentVariableModel, total_steps: int) -> None:
        """Refuse a warm-up that is longer than the training.

        Raises:
            InvalidValue: it is.
        """
        if self.config.kl_warmup_steps > total_steps:
            raise InvalidValue(
                f"{setting('kl_warmup_steps', self.config.kl_warmup_steps)} is more than the "
                f"training's {counted(total_steps, 'step')}. Use fewer, or train for more epochs."
            )

    def updates(
        self, model: LatentVariableModel, batch: Batch, context: Context
    ) -> Iterator[Update]:
        """Yield one update of the whole model."""
        config = self.config
        reconstructions, divergences = self._terms(model, batch, context)
        reconstruction, divergence = reconstructions.mean(), divergences.sum(1).mean()
        counted = divergence
        if config.free_bits:
            counted = context.mean(divergences).clamp(min=config.free_bits).sum()
        if config.kl_warmup_steps:
            counted = counted * (context.step / config.kl_warmup_steps).clamp(max=1)
        loss = torch.add(reconstruction, counted, alpha=config.beta)
        yield Update(loss, {"reconstruction": reconstruction, "kl": divergence})

    def evaluate(
        self, model: LatentVariableModel, batch: Batch, context: Context
    ) -> dict[str, Tensor]:
        """Return "loss", "reconstruction" and "kl" of every image, (B,) each, in nats."""
        reconstruction, divergences = self._terms(model, batch, context)
        divergence = divergences.sum(1)
        loss = torch.add(reconstruction, divergence, alpha=self.config.beta)
        return {"loss": loss, "reconstruction": reconstruction, "kl": divergence}

    @staticmethod
    def _terms(model: LatentVariableModel, batch: Batch, context: Context) -> tuple[Tensor, Tensor]:
        """Return every image's reconstruction (B,), and divergence by dimension (B, D)."""
        images, condition = observed(model, batch.images, context.noise), batch.condition
        encoded = posterior(model, context.compiled(model.encode)(images, condition))
        noise = context.noise.normal(*encoded.mean.shape)
        return context.compiled(_decoded_terms)(model, encoded, noise, images, condition)


def _decoded_terms(
    model: LatentVariableModel,
    encoded: DiagonalGaussian,
    noise: Tensor,
    images: Tensor,
    condition: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Return what `ELBO._terms` does, with the code that noise (B, D) makes."""
    parameters = full(model.decode(encoded.transform(noise), condition))
    log_likelihood = model.log_likelihood(parameters, images)
    reconstruction = -per_image(model, "log_likelihood", log_likelihood, len(images))
    return reconstruction, model.prior(condition).divergence(encoded)
