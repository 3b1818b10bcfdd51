"""Checks that a model's output is what the loss's protocol promises."""

from torch import Tensor

from gtk.core.registry.installed import describe
from gtk.core.values.errors import PluginError
from gtk.plugins.families.gaussian import DiagonalGaussian


def per_image(model: object, method: str, values: Tensor, count: int) -> Tensor:
    """Return a method's values if there is one for each image: (B,).

    A mean over the batch would be broadcast silently and give wrong figures.

    Raises:
        PluginError: the values have another shape.
    """
    if values.shape != (count,):
        raise PluginError(
            f"{method}() of {describe(model)} gives shape {tuple(values.shape)} for {count} "
            "images: return one number for each, (B,)."
        )
    return values


def posterior(model: object, given: object) -> DiagonalGaussian:
    """Return the result of `encode` if it is a distribution.

    Raises:
        PluginError: it is something else, such as a pair of tensors.
    """
    if not isinstance(given, DiagonalGaussian):
        raise PluginError(
            f"encode() of {describe(model)} gives {type(given).__name__}: return "
            "gtk.DiagonalGaussian(mean, log_variance)."
        )
    return given
