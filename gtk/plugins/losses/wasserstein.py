"""The adversarial loss with a critic that estimates the Wasserstein distance."""

from collections.abc import Iterator

import torch
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Update
from gtk.core.contracts.noise import Noise
from gtk.plugins.families.adversarial import AdversarialModel
from gtk.plugins.families.full_precision import full, in_full_precision
from gtk.plugins.losses import WassersteinConfig
from gtk.plugins.losses.adversarial import (
    AdversarialLoss,
    check_scores,
    draw,
    generate,
    score_gradient,
    scores_of,
)


class WassersteinGP(AdversarialLoss):
    """Several updates of the critic, each on fresh images, then one of the generator.

    Gulrajani et al., Improved Training of Wasserstein GANs (arXiv:1704.00028), algorithm 1. The
    critic's generated images get the conditions of the real ones, so that images between a real
    and a generated one have one, too.

    Args:
        config: critic steps and weights of the penalties.
    """

    config: WassersteinConfig

    def __init__(self, config: WassersteinConfig) -> None:
        super().__init__(config)
        self.batches = config.critic_steps
        self.compiles = False

    def discriminator_loss(self, real: Tensor, generated: Tensor) -> Tensor:
        """Map scores (B,) twice to generated - real: minus the estimated distance."""
        return generated - real

    def generator_loss(self, generated: Tensor) -> Tensor:
        """Map scores (B,) to -generated."""
        return -generated

    def check(self, model: AdversarialModel, total_steps: int) -> None:
        """Refuse a critic with batch normalization, and augmentation of images of few pixels.

        Raises:
            InvalidValue: an image's score depends on its batch, or images are too small.
        """
        check_scores(model, "loss 'wasserstein-gp'")
        super().check(model, total_steps)

    def updates(self, model: AdversarialModel, batch: Batch, context: Context) -> Iterator[Update]:
        """Yield the critic's updates, then one of the generator."""
        parts = batch.split(self.batches)
        for part in parts:
            yield self._critic_update(model, part, context)
        generated, condition = generate(model, parts[-1], context.noise)
        yield self._generator_update(model, parts[-1], generated, condition, context)

    def _critic_update(self, model: AdversarialModel, batch: Batch, context: Context) -> Update:
        noise = context.noise
        with torch.no_grad():
            generated = model.generate(draw(model, len(batch), noise), batch.condition)
        update = self._discriminator_update(model, batch, generated, batch.condition, context)
        real = self._seen(model.to_network_range(batch.images), noise)
        generated = self._seen(generated.detach(), noise)
        penalty = gradient_penalty(model, real, generated, batch.condition, noise)
        loss = update.loss + self.config.penalty * penalty
        return Update(loss, {**update.terms, "penalty": penalty}, part="discriminator")


def gradient_penalty(
    model: AdversarialModel,
    real: Tensor,
    generated: Tensor,
    condition: Tensor | None,
    noise: Noise,
) -> Tensor:
    """Return the mean of (|gradient of the score| - 1)^2 at images between real and generated.

    arXiv:1704.00028, equation 3.

    Args:
        model: with the discriminator.
        real: (B, C, H, W), in the network's range.
        generated: the same.
        condition: of both.
        noise: the source of each image's place between the two.
    """
    place = noise.uniform(len(real), 1, 1, 1)
    between = torch.lerp(full(generated), real, place).requires_grad_()
    with in_full_precision(between):
        gradient = score_gradient(scores_of(model, between, condition), between)
    length = torch.linalg.vector_norm(gradient, dim=1)
    penalty: Tensor = (length - 1).square().mean()
    return penalty
