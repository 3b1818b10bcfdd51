"""What a model with a latent code observes of images: their levels, or pixels drawn from these."""

from torch import Tensor

from gtk.core.contracts.noise import Noise
from gtk.plugins.families.latent_variable import LatentVariableModel


def binarizes(model: LatentVariableModel) -> bool:
    """Return whether a model observes binary pixels: whether its attribute `binarizes` is True."""
    return getattr(model, "binarizes", False) is True


def observed(model: LatentVariableModel, images: Tensor, noise: Noise) -> Tensor:
    """Return what a model observes of images (B, C, H, W) in 0..1: the images, or a draw of them.

    Of a model that binarizes, `noise` draws them anew each time; else it draws nothing.
    """
    if not binarizes(model):
        return images
    return binarized(images, noise.uniform(*images.shape))


def binarized(images: Tensor, uniform: Tensor) -> Tensor:
    """Return pixels that are 1 with the probability of their level, else 0.

    Dynamic binarization: Salakhutdinov and Murray, On the Quantitative Analysis of Deep Belief
    Networks (ICML 2008), section 5; Burda et al. (arXiv:1509.00519), section 5.

    Args:
        images: (B, C, H, W) in 0..1.
        uniform: numbers from 0 to 1, below 1, of the same shape.
    """
    return (uniform < images).to(images.dtype)
