"""Adversarial losses with one update of the discriminator and one of the generator a step."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import nullcontext
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
from gtk.plugins.families.full_precision import full, in_full_precision
from gtk.plugins.families.output_checks import per_image
from gtk.plugins.losses import AdversarialConfig
from gtk.plugins.losses.augmentation import augmented, check_size, image_size


class AdversarialLoss(Loss[AdversarialModel]):
    """One update of the discriminator, then one of the generator on the same generated images.

    A subclass maps scores to losses. Conditions of generated images are the batch's own in another
    order.

    Args:
        config: with `r1` and `r2`, the weights of the penalties at real and generated images:
            Mescheder, Geiger and Nowozin (arXiv:1801.04406), equations 9 and 10. They are computed
            in one of `r1_every` steps, with as many times the weight: lazy regularization, Karras
            et al., StyleGAN2 (arXiv:1912.04958), section 3.1. There it is a step of the optimizer
            of its own; here it is added to the step's loss, so that Adam's settings fit as they
            are. With `augment` the discriminator sees augmented images only; the penalties are of
            its gradient with respect to the images before that.
    """

    requires: ClassVar[type] = AdversarialModel
    unit: ClassVar[str] = "mean per image"
    criterion: ClassVar[str | None] = None
    config: AdversarialConfig

    def __init__(self, config: AdversarialConfig) -> None:
        super().__init__(config)
        self.compiles = config.r1_every > 1 or not (config.r1 or config.r2)

    @abstractmethod
    def discriminator_loss(self, real: Tensor, generated: Tensor) -> Tensor:
        """Map scores of real and of generated images, (B,) each, to a loss of each pair (B,)."""

    @abstractmethod
    def generator_loss(self, generated: Tensor) -> Tensor:
        """Map scores of generated images (B,) to a loss of each (B,)."""

    def check(self, model: AdversarialModel, total_steps: int) -> None:
        """Refuse a penalty on scores of batches, and augmentation of images of few pixels.

        Raises:
            InvalidValue: an image's score depends on its batch, or images are too small.
        """
        for penalty in ("r1", "r2"):
            if getattr(self.config, penalty):
                check_scores(model, setting(penalty))
        if self.config.augment:
            check_size(image_size(cast("Model", model)))

    def updates(self, model: AdversarialModel, batch: Batch, context: Context) -> Iterator[Update]:
        """Yield an update of the discriminator, then one of the generator."""
        generated, condition = self._generate(model, batch, context.noise)
        yield self._discriminator_update(model, batch, generated.detach(), condition, context)
        yield self._generator_update(model, batch, generated, condition, context)

    def evaluate(
        self, model: AdversarialModel, batch: Batch, context: Context
    ) -> dict[str, Tensor]:
        """Return both losses and scores of every image, (B,) each, without penalties.

        Images are not augmented.
        """
        generated, condition = self._generate(model, batch, context.noise)
        real = scores_of(model, model.to_network_range(batch.images), batch.condition)
        scores = scores_of(model, generated, condition)
        return {
            "discriminator_loss": self.discriminator_loss(real, scores),
            "generator_loss": self.generator_loss(scores),
            "real_score": real,
            "generated_score": scores,
        }

    def _generate(
        self, model: AdversarialModel, batch: Batch, noise: Noise
    ) -> tuple[Tensor, Tensor | None]:
        return generate(model, batch, noise)

    def _seen(self, images: Tensor, noise: Noise) -> Tensor:
        """Return images as the discriminator sees them in training."""
        return augmented(images, noise) if self.config.augment else images

    def _scores(
        self, model: AdversarialModel, images: Tensor, condition: Tensor | None, noise: Noise
    ) -> Tensor:
        """Return the scores of images as the discriminator sees them in training: (B,)."""
        penalized = images.is_leaf and images.requires_grad
        with in_full_precision(images) if penalized else nullcontext():
            return scores_of(model, self._seen(images, noise), condition)

    def _discriminator_update(
        self,
        model: AdversarialModel,
        batch: Batch,
        generated: Tensor,
        condition: Tensor | None,
        context: Context,
    ) -> Update:
        every = self.config.r1_every
        due = context.is_due(every)
        real = model.to_network_range(batch.images).detach()  # which may be the batch's own tensor
        real.requires_grad_(due and self.config.r1 > 0)
        generated = full(generated) if due and self.config.r2 > 0 else generated
        generated.requires_grad_(due and self.config.r2 > 0)
        if not (real.requires_grad or generated.requires_grad):
            # The generator's update is not compiled: there torch would also compute gradients of
            # the discriminator's weights.
            real, generated = (self._seen(images, context.noise) for images in (real, generated))
            loss, real_score, generated_score = context.compiled(self._judge)(
                model, real, generated, batch.condition, condition
            )
            terms = {"real_score": real_score, "generated_score": generated_score}
            return Update(loss, terms, part="discriminator")
        real_scores = self._scores(model, real, batch.condition, context.noise)
        generated_scores = self._scores(model, generated, condition, context.noise)
        loss = self.discriminator_loss(real_scores, generated_scores).mean()
        terms = {"real_score": real_scores.mean(), "generated_score": generated_scores.mean()}
        pairs = {"r1": (real_scores, real), "r2": (generated_scores, generated)}
        for name, (scores, images) in pairs.items():
            if images.requires_grad:
                terms[name] = zero_centered_penalty(scores, images)
                loss = loss + every * getattr(self.config, name) * terms[name]
        return Update(loss, terms, part="discriminator")

    def _judge(
        self,
        model: AdversarialModel,
        real: Tensor,
        generated: Tensor,
        real_condition: Tensor | None,
        generated_condition: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the discriminator's loss and its mean scores of images as it sees them."""
        real_scores = scores_of(model, real, real_condition)
        generated_scores = scores_of(model, generated, generated_condition)
        loss = self.discriminator_loss(real_scores, generated_scores).mean()
        return loss, real_scores.mean(), generated_scores.mean()

    def _generator_update(
        self,
        model: AdversarialModel,
        batch: Batch,
        generated: Tensor,
        condition: Tensor | None,
        context: Context,
    ) -> Update:
        scores = self._scores(model, generated, condition, context.noise)
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


class Relativistic(AdversarialLoss):
    """Pairs of a real image x and a generated one y, with f(t) = log(1 + e^t).

    The discriminator minimizes f(D(y) - D(x)), the generator f(D(x) - D(y)): RSGAN of
    Jolicoeur-Martineau, The relativistic discriminator (arXiv:1807.00734). With R1 and R2 of one
    weight it is the objective of Huang et al., The GAN is dead; long live the GAN!
    (arXiv:2501.05441), RpGAN + R1 + R2, of which R3GAN is made.

    Both images of a pair have the real one's condition. Then a score's part that depends on the
    condition alone cancels, and the pair compares what is real with what is not; with another
    condition it would compare classes, too. Every condition is still as frequent among generated
    images as among real ones.
    """

    def discriminator_loss(self, real: Tensor, generated: Tensor) -> Tensor:
        """Map scores (B,) twice to log(1 + exp(generated - real))."""
        return softplus(generated - real)

    def generator_loss(self, generated: Tensor) -> Tensor:
        """Map scores (B,), each less the score of its real image, to log(1 + exp(-generated))."""
        return softplus(-generated)

    def evaluate(
        self, model: AdversarialModel, batch: Batch, context: Context
    ) -> dict[str, Tensor]:
        """Return both losses and scores of every pair, (B,) each, without penalties."""
        terms = super().evaluate(model, batch, context)
        relative = terms["generated_score"] - terms["real_score"]
        return {**terms, "generator_loss": self.generator_loss(relative)}

    def _generate(
        self, model: AdversarialModel, batch: Batch, noise: Noise
    ) -> tuple[Tensor, Tensor | None]:
        return model.generate(draw(model, len(batch), noise), batch.condition), batch.condition

    def _generator_update(
        self,
        model: AdversarialModel,
        batch: Batch,
        generated: Tensor,
        condition: Tensor | None,
        context: Context,
    ) -> Update:
        with torch.no_grad():  # real scores do not depend on the generator
            real = model.to_network_range(batch.images)
            real_scores = self._scores(model, real, batch.condition, context.noise)
        scores = self._scores(model, generated, condition, context.noise)
        return Update(self.generator_loss(scores - real_scores).mean(), part="generator")


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
    scores = full(model.discriminate(images, condition))
    return per_image(model, "discriminate", scores, len(images))


def other_condition(model: AdversarialModel, batch: Batch, noise: Noise) -> Tensor | None:
    """Return the batch's conditions in another order: (B,), (B, n), or None where none acts.

    Generated images have the conditions of real ones, each as often. A discriminator with batch
    normalization would tell any other mix of classes from the real one, whatever the images show.
    """
    condition = cast("Model", model).condition
    if condition is None or batch.condition is None:
        return None
    return noise.permuted(batch.condition)


def check_scores(model: AdversarialModel, penalty: str) -> None:
    """Refuse a model whose scores a gradient penalty cannot act on.

    Raises:
        InvalidValue: an image's score depends on its batch.
    """
    if not model.scores_alone():
        raise InvalidValue(
            f"{penalty} penalizes the gradient of each image's score, which batch normalization "
            "makes depend on all images of a batch: use "
            f"{setting('discriminator_normalization')} group or none, or spectral"
        )


def zero_centered_penalty(scores: Tensor, images: Tensor) -> Tensor:
    """Return half the mean of the squared gradient's length: R1 of real images, R2 of generated."""
    return score_gradient(scores, images).square().sum(1).mean() / 2


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
