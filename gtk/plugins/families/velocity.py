"""The protocol of models that move noise to images: flow and diffusion."""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from torch import Tensor

from gtk.core.values.errors import InvalidValue
from gtk.core.values.noise import NoiseSpec
from gtk.core.values.path import Path

#: Standard deviation of the pixels of images in -1..1: Karras et al. (arXiv:2206.00364), table 1.
DATA_DEVIATION = 0.5


@runtime_checkable
class VelocityModel(Protocol):
    """A model of the mean velocity of x_t = alpha(t) image + sigma(t) noise.

    It has `noise`, a `gtk.NoiseSpec` of the image's shape, and `path`, a `gtk.Path` that defines
    alpha and sigma.
    """

    if TYPE_CHECKING:  # issubclass() takes protocols of methods alone
        noise: NoiseSpec
        path: Path

    def velocity(self, x: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        """Return dx/dt at x (B, C, H, W): the same shape.

        Args:
            x: noise at time 0, an image in -1..1 at time 1.
            time: (B,), in 0..1.
            condition: of the images.
        """


def check_path(model: VelocityModel) -> None:
    """Refuse a model without a path, which may have a method of that name for other reasons.

    Raises:
        InvalidValue: it has none.
    """
    if not isinstance(getattr(model, "path", None), Path):
        raise InvalidValue(
            f"{type(model).__name__} has velocity(), and no path from noise to images: set "
            "self.path = gtk.StraightPath() in its __init__(), or use its own loss"
        )
