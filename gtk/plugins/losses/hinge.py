"""The adversarial game with a margin."""

from torch import Tensor
from torch.nn.functional import relu

from gtk.plugins.losses.adversarial import AdversarialLoss


class Hinge(AdversarialLoss):
    """Lim and Ye, Geometric GAN (arXiv:1705.02894), equations 13 and 14."""

    def discriminator_loss(self, real: Tensor, generated: Tensor) -> Tensor:
        """Map scores (B,) twice to max(0, 1 - real) + max(0, 1 + generated)."""
        return relu(1 - real) + relu(1 + generated)

    def generator_loss(self, generated: Tensor) -> Tensor:
        """Map scores (B,) to -generated."""
        return -generated
