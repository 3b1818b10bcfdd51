"""What a model answers a loss: refused where it is not what the loss's protocol says."""

from torch import Tensor

from gtk.core.registry.discovery import describe
from gtk.core.values.errors import PluginError
from gtk.plugins.families.gaussian import DiagonalGaussian


def per_image(model: object, method: str, values: Tensor, count: int) -> Tensor:
    """Return a method's values if there is one for each image: (B,).

    A mean of the batch would be spread over it without a word, and its figures be wrong.

    Raises:
        PluginError: they have another shape.
    """
    if values.shape != (count,):
        raise PluginError(
            f"{method}() of {describe(model)} gives shape {tuple(values.shape)} for {count} "
            "images: return one number for each, (B,)."
        )
    return values


def posterior(model: object, given: object) -> DiagonalGaussian:
    """Return what `encode` gives if it is a distribution.

    Raises:
        PluginError: it is something else, such as the pair of its tensors.
    """
    if not isinstance(given, DiagonalGaussian):
        raise PluginError(
            f"encode() of {describe(model)} gives {type(given).__name__}: return "
            "gtk.DiagonalGaussian(mean, log_variance)."
        )
    return given
