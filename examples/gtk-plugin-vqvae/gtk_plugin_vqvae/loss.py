"""The game: first the autoencoder and its codebook, then the prior on the codes."""

from collections.abc import Iterator
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

import gtk
from gtk_plugin_vqvae import VQVAELossConfig
from gtk_plugin_vqvae.codebook import perplexity
from gtk_plugin_vqvae.model import Quantized


@runtime_checkable
class QuantizingModel(Protocol):
    """What the loss calls on a model."""

    def autoencode(self, images: Tensor) -> Quantized:
        """Send images (B, C, H, W) in 0..1 through codes and back."""

    def codebook_statistics(self, quantized: Quantized, order: Tensor) -> dict[str, Tensor]:
        """Return what the codebook learns from a batch, with its vectors' `counts` (K,)."""

    def prior_nats(self, codes: Tensor, condition: Tensor | None) -> Tensor:
        """Return -log p(codes | condition): (B,)."""


class VQVAELoss(gtk.Loss):
    """-log p(x | e) + beta |z - e|^2 for the autoencoder, -log p(codes | condition) for the prior.

    z are the encoder's features and e the vectors nearest to them: arXiv:1711.00937, equation 3,
    where moving averages stand for its second term (appendix A.1); pixels are Bernoulli
    distributed. All are sums over an image and means over the batch.

    On held-out images "loss" is reconstruction + prior, an upper bound of -log p(x | condition):
    section 3.2.

    Args:
        config: beta.
    """

    requires: ClassVar[type] = QuantizingModel
    unit: ClassVar[str] = "nats per image"

    def __init__(self, config: VQVAELossConfig) -> None:
        self._config = config

    def updates(
        self, model: QuantizingModel, batch: gtk.Batch, context: gtk.Context
    ) -> Iterator[gtk.Update]:
        """Yield an update of the autoencoder, then one of the prior."""
        quantized = model.autoencode(batch.images)
        reconstruction, commitment = (terms.mean() for terms in _terms(quantized, batch.images))
        order = context.noise.permutation(quantized.codes.numel())
        statistics = model.codebook_statistics(quantized, order)
        for name in ("starts", "usable"):  # of a step's batches the first one's: no mean is one
            statistics[name] = context.gather(statistics[name])[0]
        yield gtk.Update(
            torch.add(reconstruction, commitment, alpha=self._config.commitment),
            {
                "reconstruction": reconstruction,
                "commitment": commitment,
                "perplexity": perplexity(statistics["counts"]),
            },
            "autoencoder",
            statistics,
        )
        nats = model.prior_nats(quantized.codes, batch.condition).mean()
        yield gtk.Update(nats, {"prior": nats}, "prior")

    def evaluate(
        self, model: QuantizingModel, batch: gtk.Batch, context: gtk.Context
    ) -> dict[str, Tensor]:
        """Return "loss", "reconstruction", "commitment" and "prior" of every image, (B,) each."""
        quantized = model.autoencode(batch.images)
        reconstruction, commitment = _terms(quantized, batch.images)
        prior = model.prior_nats(quantized.codes, batch.condition)
        return {
            "loss": reconstruction + prior,
            "reconstruction": reconstruction,
            "commitment": commitment,
            "prior": prior,
        }


def _terms(quantized: Quantized, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return -log p(x | e) in nats and the squared distance |z - e|^2 of every image, (B,) each."""
    nats = binary_cross_entropy_with_logits(quantized.logits, images, reduction="none")
    distance = (quantized.features - quantized.vectors).square()
    return nats.sum((1, 2, 3)), distance.sum((1, 2, 3))
