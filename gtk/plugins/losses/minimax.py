"""The adversarial game as it was first played."""

from torch import Tensor
from torch.nn.functional import softplus

from gtk.plugins.losses.adversarial import AdversarialLoss


class Minimax(AdversarialLoss):
    """Cross-entropy of real against generated; the generator plays for the other label.

    Goodfellow et al., Generative Adversarial Nets (arXiv:1406.2661), equation 1 and, for the
    generator, the form that does not saturate (section 3). Its losses are in nats.
    """

    def discriminator_loss(self, real: Tensor, generated: Tensor) -> Tensor:
        """Map logits (B,) twice to -log D(real) - log(1 - D(generated))."""
        return softplus(-real) + softplus(generated)

    def generator_loss(self, generated: Tensor) -> Tensor:
        """Map logits (B,) to -log D(generated)."""
        return softplus(-generated)
