"""Draw images from the likelihood, instead of taking its mean."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from gtk.core.contracts.sampler import Sampler
from gtk.core.values.noise import NoiseSpec
from gtk.plugins.families.latent_variable import DrawnLikelihoodModel


class Draw(Sampler[DrawnLikelihoodModel]):
    """Images from p(x | z), with z from the prior: what the model says the data are like.

    `direct` shows the mean of p(x | z), which is smoother than any image of the model. "likelihood"
    is the noise of each pixel.
    """

    requires = DrawnLikelihoodModel

    @property
    def noise(self) -> Mapping[str, NoiseSpec]:
        """The noise of the code, and that of the pixels."""
        model: Any = self.model
        return {**super().noise, "likelihood": NoiseSpec(tuple(model.image.shape))}

    def module(self) -> nn.Module:
        """Return the prior, the decoder and a draw of its likelihood."""
        return _Draw(self.model)


class _Draw(nn.Module):
    def __init__(self, model: DrawnLikelihoodModel) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, z: Tensor, likelihood: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map noise (B, *noise.shape), noise (B, C, H, W) and a condition to images in 0..1."""
        parameters = self.model.decode(self.model.prior(condition).transform(z), condition)
        images: Tensor = self.model.draw_image(parameters, likelihood)
        return images
