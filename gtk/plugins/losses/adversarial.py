"""Adversarial losses with one update of the discriminator and one of the generator a step."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar, cast

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Loss, Update
from gtk.core.contracts.model import Model
from gtk.core.contracts.noise import Noise
from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting
from gtk.plugins.families.adversarial import AdversarialModel
from gtk.plugins.families.output_checks import per_image
from gtk.plugins.losses import AdversarialConfig, WassersteinConfig


class AdversarialLoss(Loss[AdversarialModel]):
    """One update of the discriminator, then one of the generator on the same generated images.

    A subclass maps scores to losses. Conditions of generated images are the batch's own in another
    order.

    Args:
        config: with `r1`, the weight of the penalty at real images: Mescheder, Geiger and Nowozin
            (arXiv:1801.04406), equation 9.
    """

    requires: ClassVar[type] = AdversarialModel
    unit: ClassVar[str] = "mean per image"
    criterion: ClassVar[str | None] = None
    config: AdversarialConfig | WassersteinConfig

    @abstractmethod
    def discriminator_loss(self, real: Tensor, generated: Tensor) -> Tensor:
        """Map scores of real and of generated images, (B,) each, to a loss of each pair (B,)."""

    @abstractmethod
    def generator_loss(self, generated: Tensor) -> Tensor:
        """Map scores of generated images (B,) to a loss of each (B,)."""

    def check(self, model: AdversarialModel, total_steps: int) -> None:
        """Refuse a gradient penalty on a discriminator with batch normalization.

        Raises:
            InvalidValue: an image's score depends on its batch.
        """
        if self.config.r1:
            check_scores(model, setting("r1"))

    def updates(self, model: AdversarialModel, batch: Batch, context: Context) -> Iterator[Update]:
        """Yield an update of the discriminator, then one of the generator."""
        generated, condition = generate(model, batch, context.noise)
        real = model.to_network_range(batch.images)
        yield self._discriminator_update(model, batch, real, generated.detach(), condition)
        yield self._generator_update(model, generated, condition)

    def evaluate(
        self, model: AdversarialModel, batch: Batch, context: Context
    ) -> dict[str, Tensor]:
        """Return both losses and scores of every image, (B,) each, without penalties."""
        generated, condition = generate(model, batch, context.noise)
        real = scores_of(model, model.to_network_range(batch.images), batch.condition)
        scores = scores_of(model, generated, condition)
        return {
            "discriminator_loss": self.discriminator_loss(real, scores),
            "generator_loss": self.generator_loss(scores),
            "real_score": real,
            "generated_score": scores,
        }

    def _discriminator_update(
        self,
        model: AdversarialModel,
        batch: Batch,
        real: Tensor,
        generated: Tensor,
        condition: Tensor | None,
    ) -> Update:
        real.requires_grad_(bool(self.config.r1))
        real_scores = scores_of(model, real, batch.condition)
        generated_scores = scores_of(model, generated, condition)
        loss = self.discriminator_loss(real_scores, generated_scores).mean()
        terms = {"real_score": real_scores.mean(), "generated_score": generated_scores.mean()}
        if self.config.r1:
            squared = score_gradient(real_scores, real).square().sum(1)
            terms["r1"] = squared.mean() / 2
            loss = loss + self.config.r1 * terms["r1"]
        return Update(loss, terms, part="discriminator")

    def _generator_update(
        self, model: AdversarialModel, generated: Tensor, condition: Tensor | None
    ) -> Update:
        scores = scores_of(model, generated, condition)
        return Update(self.generator_loss(scores).mean(), part="generator")


class Minimax(AdversarialLoss):
    """Cross-entropy of real against generated images, in nats.

    Goodfellow et al., Generative Adversarial Nets (arXiv:1406.2661), equation 1 and, for the
    generator, the form that does not saturate (section 3).
    """

    def discriminator_loss(self, real: Tensor, generated: Tensor) -> Tensor:
        """Map logits (B,) twice to -log D(real) - log(1 - D(generated))."""
        return softplus(-real) + softplus(generated)

    def generator_loss(self, generated: Tensor) -> Tensor:
        """Map logits (B,) to -log D(generated)."""
        return softplus(-generated)


class Hinge(AdversarialLoss):
    """Lim and Ye, Geometric GAN (arXiv:1705.02894), equations 13 and 14."""

    def discriminator_loss(self, real: Tensor, generated: Tensor) -> Tensor:
        """Map scores (B,) twice to max(0, 1 - real) + max(0, 1 + generated)."""
        return relu(1 - real) + relu(1 + generated)

    def generator_loss(self, generated: Tensor) -> Tensor:
        """Map scores (B,) to -generated."""
        return -generated


class LeastSquares(AdversarialLoss):
    """Mao et al., Least Squares GAN (arXiv:1611.04076), equation 9: 1 for real, 0 for generated."""

    def discriminator_loss(self, real: Tensor, generated: Tensor) -> Tensor:
        """Map scores (B,) twice to ((real - 1)^2 + generated^2) / 2."""
        return ((real - 1).square() + generated.square()) / 2

    def generator_loss(self, generated: Tensor) -> Tensor:
        """Map scores (B,) to (generated - 1)^2 / 2."""
        return (generated - 1).square() / 2


def generate(model: AdversarialModel, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor | None]:
    """Return as many generated images as the batch has, and their conditions."""
    condition = other_condition(model, batch, noise)
    return model.generate(draw(model, len(batch), noise), condition), condition


def draw(model: AdversarialModel, count: int, noise: Noise) -> Tensor:
    """Draw the generator's noise: (count, *noise.shape)."""
    return noise.normal(count, *cast("Model", model).noise.shape)


def scores_of(model: AdversarialModel, images: Tensor, condition: Tensor | None) -> Tensor:
    """Return the discriminator's score of each image: (B,).

    Raises:
        PluginError: its output has another shape.
    """
    scores = model.discriminate(images, condition)
    return per_image(model, "discriminate", scores, len(images))


def other_condition(model: AdversarialModel, batch: Batch, noise: Noise) -> Tensor | None:
    """Return the batch's conditions in another order: (B,), (B, n), or None where none acts.

    Generated images have the conditions of real ones, each as often. A discriminator with batch
    normalization would tell any other mix of classes from the real one, whatever the images show.
    """
    condition = cast("Model", model).condition
    if condition is None or batch.condition is None:
        return None
    return batch.condition[noise.permutation(len(batch))]


def check_scores(model: AdversarialModel, penalty: str) -> None:
    """Refuse a model whose scores a gradient penalty cannot act on.

    Raises:
        InvalidValue: an image's score depends on its batch.
    """
    if not model.scores_alone():
        raise InvalidValue(
            f"{penalty} penalizes the gradient of each image's score, which batch normalization "
            "makes depend on all images of a batch: use "
            f"{setting('discriminator_normalization')} group or none"
        )


def score_gradient(scores: Tensor, images: Tensor) -> Tensor:
    """Return each score's gradient with respect to its image, differentiable again.

    Args:
        scores: (B,).
        images: (B, C, H, W), requiring a gradient.

    Returns:
        (B, C * H * W).
    """
    (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return gradient.flatten(1)
