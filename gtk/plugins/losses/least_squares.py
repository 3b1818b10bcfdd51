"""The adversarial game with squared distances."""

from torch import Tensor

from gtk.plugins.losses.adversarial import AdversarialLoss


class LeastSquares(AdversarialLoss):
    """Mao et al., Least Squares GAN (arXiv:1611.04076), equation 9: 1 for real, 0 for generated."""

    def discriminator_loss(self, real: Tensor, generated: Tensor) -> Tensor:
        """Map scores (B,) twice to ((real - 1)^2 + generated^2) / 2."""
        return ((real - 1).square() + generated.square()) / 2

    def generator_loss(self, generated: Tensor) -> Tensor:
        """Map scores (B,) to (generated - 1)^2 / 2."""
        return (generated - 1).square() / 2
