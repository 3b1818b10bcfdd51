"""The terms of an image's importance weights, for codes drawn from its posterior."""

from torch import Tensor

from gtk.plugins.families.full_precision import full
from gtk.plugins.families.gaussian import DiagonalGaussian
from gtk.plugins.families.latent_variable import LatentVariableModel
from gtk.plugins.families.output_checks import per_image


def weight_terms(
    model: LatentVariableModel,
    images: Tensor,
    condition: Tensor | None,
    encoded: DiagonalGaussian,
    noise: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return log p(x | z, c), log p(z | c) and log q(z | x, c) in nats, (k B,) each.

    The importance weight of a code z is p(x | z, c) p(z | c) / q(z | x, c): Burda et al.
    (arXiv:1509.00519), section 3.

    Args:
        model: encoder and decoder.
        images: x, (B, C, H, W) in 0..1.
        condition: c, with B rows, or None.
        encoded: q, the posterior of the B images.
        noise: what the codes z are made of, (k B, D): one for each image, then the next of each.

    Raises:
        PluginError: the model does not return one likelihood for each image.
    """
    count = len(noise) // len(images)
    many = DiagonalGaussian(encoded.mean.repeat(count, 1), encoded.log_variance.repeat(count, 1))
    z = many.transform(noise)
    if condition is not None:
        condition = condition.repeat(count, *[1] * (condition.dim() - 1))
    images = images.repeat(count, 1, 1, 1)
    log_likelihood = model.log_likelihood(full(model.decode(z, condition)), images)
    log_likelihood = per_image(model, "log_likelihood", log_likelihood, len(images))
    log_prior = model.prior(condition).log_prob(z)
    return log_likelihood, log_prior, many.log_prob(z)
