"""Differentiable augmentation of the images that a discriminator judges."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from gtk.core.contracts.noise import Noise
from gtk.core.models.loss_networks import eval_mode
from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting

#: The largest shift, and the side of the square that is cut out, as shares of an image's side.
SHIFT, CUTOUT = 0.125, 0.5
#: The smallest side that such a shift moves by a pixel.
LEAST_SIDE = 4
#: Channels of a colour image.
COLOURS = 3


def augmented(images: Tensor, noise: Noise) -> Tensor:
    """Return T(x) for each image x, differentiable, with another T for each.

    Zhao et al., Differentiable Augmentation for Data-Efficient GAN Training (arXiv:2006.10738):
    both losses have D(T(x)) instead of D(x) of a real image x and D(T(G(z))) instead of D(G(z)),
    and the generator learns from the gradient through T. T is a change of colours, where there are
    three channels, a translation, and a cutout, in this order and with the paper's sizes.

    Args:
        images: (B, C, H, W); what comes in from outside and what is cut out is 0, the middle of the
            range -1..1. A change of colours may leave the range.
        noise: the source of T.
    """
    if images.shape[1] == COLOURS:
        images = recoloured(images, noise)
    return cut_out(translated(images, noise), noise)


def recoloured(images: Tensor, noise: Noise) -> Tensor:
    """Change brightness by -0.5..0.5, and scale saturation by 0..2 and contrast by 0.5..1.5.

    In the mean over the draws an image stays as it is.
    """
    brightness, saturation, contrast = (noise.uniform(len(images), 1, 1, 1) for _ in range(3))
    images = images + (brightness - 0.5)
    images = scaled_about(images.mean(1, keepdim=True), images, 2 * saturation)
    return scaled_about(images.mean((1, 2, 3), keepdim=True), images, contrast + 0.5)


def scaled_about(mean: Tensor, images: Tensor, factor: Tensor) -> Tensor:
    """Scale the distance from a mean; unlike torch.lerp, also where precisions differ."""
    return mean + factor * (images - mean)


def translated(images: Tensor, noise: Noise) -> Tensor:
    """Shift by whole pixels, at most an eighth of each side, all shifts equally likely."""
    rows, columns = (_shifted(side, len(images), noise) for side in images.shape[2:])
    places = torch.arange(len(images), device=images.device)[:, None, None]
    # Row 0 and the last of the padded images are 0; indices put the channels last.
    padded = pad(images, (1, 1, 1, 1)).permute(0, 2, 3, 1)
    return padded[places, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cut_out(images: Tensor, noise: Noise) -> Tensor:
    """Set a square of half of each side to 0; its centre may lie anywhere in the image."""
    rows, columns = (_cut(side, len(images), noise) for side in images.shape[2:])
    return images * ~(rows[:, None, :, None] & columns[:, None, None, :])


def _shifted(side: int, count: int, noise: Noise) -> Tensor:
    """Draw which row of a padded image comes into each row: (count, side)."""
    most = round_half_up(side * SHIFT)
    shift = noise.labels(count, 2 * most + 1) - most
    rows = torch.arange(1, side + 1, device=shift.device)
    return (rows + shift[:, None]).clamp(0, side + 1)


def _cut(side: int, count: int, noise: Noise) -> Tensor:
    """Draw which rows are in the square: (count, side), bool."""
    size = round_half_up(side * CUTOUT)
    start = noise.labels(count, side + 1 - size % 2) - size // 2
    rows = torch.arange(side, device=start.device) - start[:, None]
    return (rows >= 0) & (rows < size)


def round_half_up(value: float) -> int:
    """Round as the paper's program does."""
    return int(value + 0.5)


def image_size(model: Any) -> tuple[int, int]:  # noqa: ANN401 - an `AdversarialModel` that is a `Model`
    """Return (height, width) of a model's images, by drawing one."""
    noise = torch.zeros(1, *model.noise.shape)
    condition = None if model.condition is None else torch.from_numpy(model.condition.cycle(1))
    with torch.no_grad(), eval_mode(model):
        images = model.generate(noise, condition)
    return images.shape[2], images.shape[3]


def check_size(size: tuple[int, int]) -> None:
    """Refuse images that are too small to be moved.

    Raises:
        InvalidValue: a side has fewer than `LEAST_SIDE` pixels.
    """
    if min(size) < LEAST_SIDE:
        raise InvalidValue(
            f"{setting('augment')} moves images by an eighth of each side, which {size[0]}x"
            f"{size[1]} pixels are too few for: leave it out, or use images of at least "
            f"{LEAST_SIDE}x{LEAST_SIDE}"
        )
