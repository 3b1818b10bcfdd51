"""The variational autoencoder (Kingma and Welling, arXiv:1312.6114), conditional or not."""

from torch import Tensor, nn

from gtk.core.contracts.conditioner import Conditioner
from gtk.core.contracts.model import ExportPart, Model
from gtk.core.values.dataset import DataSpec
from gtk.core.values.image import Image
from gtk.core.values.noise import NoiseSpec
from gtk.core.values.value import Array, ports
from gtk.plugins.families.gaussian import DiagonalGaussian, StandardGaussian
from gtk.plugins.vae import VAEConfig
from gtk.plugins.vae.bernoulli import BinarizedBernoulli
from gtk.plugins.vae.likelihood import make_likelihood
from gtk.plugins.vae.networks import ConditionalPrior, StandardPrior, make_networks


class VariationalAutoencoder(Model):
    """An encoder and a decoder, of fully connected or convolutional layers.

    It is a `DrawnLikelihoodModel`.

    Args:
        config: sizes, likelihood and prior.
        data_spec: provides the images' shape.
        conditioner: how the condition gets into the networks; a conditional one makes this the CVAE
            of Sohn, Lee and Yan (NeurIPS 2015).

    Attributes:
        binarizes: whether it observes binary pixels, drawn from the images.

    Raises:
        ValueError: a learned prior without a condition.
    """

    def __init__(self, config: VAEConfig, data_spec: DataSpec, conditioner: Conditioner) -> None:
        super().__init__()
        self.config = config
        self.noise = NoiseSpec((config.latent_dim,))
        self.image = Image(data_spec.image_shape)
        self.likelihood = make_likelihood(config.likelihood, config.variance)
        self.binarizes = isinstance(self.likelihood, BinarizedBernoulli)
        output_channels = self.likelihood.channels(data_spec.channels)
        self.encoder, self.decoder = make_networks(
            config, data_spec.image_shape, output_channels, conditioner
        )
        self.prior_network: nn.Module = (
            ConditionalPrior(config.latent_dim, conditioner)
            if config.prior == "learned"
            else StandardPrior()
        )

    def networks(self) -> dict[str, nn.Module]:
        """Return encoder and decoder, and the prior where it is learned."""
        networks: dict[str, nn.Module] = {"encoder": self.encoder, "decoder": self.decoder}
        if self.config.prior == "learned":
            networks["prior"] = self.prior_network
        return networks

    def encode(self, images: Tensor, condition: Tensor | None) -> DiagonalGaussian:
        """Map images (B, C, H, W) in 0..1 and a condition to the posterior over z (B, D)."""
        mean, log_variance = self.encoder(images, condition).chunk(2, dim=1)
        return DiagonalGaussian(mean, log_variance)

    def decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Map z (B, D) and a condition to the likelihood's parameters (B, channels, H, W)."""
        parameters: Tensor = self.decoder(z, condition)
        return parameters

    def prior(self, condition: Tensor | None) -> DiagonalGaussian | StandardGaussian:
        """Return the prior over z (B, D) given a condition: learned, or N(0, I)."""
        prior: DiagonalGaussian | StandardGaussian = self.prior_network(condition)
        return prior

    def log_likelihood(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return log p(images | parameters) in nats: (B,)."""
        return self.likelihood.log_prob(parameters, images)

    def expected_image(self, parameters: Tensor) -> Tensor:
        """Map the likelihood's parameters to the expected image (B, C, H, W) in 0..1."""
        return self.likelihood.mean(parameters)

    def draw_image(self, parameters: Tensor, noise: Tensor) -> Tensor:
        """Map the likelihood's parameters and noise (B, C, H, W) to images drawn from it."""
        return self.likelihood.draw(parameters, noise)

    def sample(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        """Map noise (B, D) and a condition to expected images (B, C, H, W) in 0..1."""
        z = self.prior(condition).transform(noise)
        return self.expected_image(self.decode(z, condition))

    def exports(self) -> dict[str, ExportPart]:
        """Return the part that makes images first: the decoder, or a learned prior's sampler.

        The decoder takes z, the sampler noise, the encoder images, each with the condition.
        """
        latent, image = ports(self.noise, self.condition), ports(self.image)
        moments = dict.fromkeys(("mean", "log_variance"), Array(self.noise.shape))
        inputs = ports(self.image, self.condition)
        encoder = ExportPart(Posterior(self), inputs, moments, encoded)
        if self.config.prior != "learned":
            return {"decoder": ExportPart(ExpectedImage(self), latent, image), "encoder": encoder}
        noise = {"noise": self.noise, **ports(self.condition)}
        return {
            "sampler": ExportPart(SampledImage(self), noise, image),
            "decoder": ExportPart(ExpectedImage(self), latent, image, decoded, prior="learned"),
            "encoder": encoder,
        }


class ExpectedImage(nn.Module):
    """The decoder with the likelihood's mean: from a latent code to an image."""

    def __init__(self, model: VariationalAutoencoder) -> None:
        super().__init__()
        self.decoder = model.decoder
        self.likelihood = model.likelihood

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map z (B, D) and a condition to images (B, C, H, W) in 0..1."""
        return self.likelihood.mean(self.decoder(z, condition))


class SampledImage(ExpectedImage):
    """The learned prior, then the decoder: from standard normal noise to an image."""

    def __init__(self, model: VariationalAutoencoder) -> None:
        super().__init__(model)
        self.prior = model.prior_network

    def forward(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map noise (B, D) and a condition to images (B, C, H, W) in 0..1."""
        return super().forward(self.prior(condition).transform(noise), condition)


class Posterior(nn.Module):
    """The encoder with mean and log variance as two outputs."""

    def __init__(self, model: VariationalAutoencoder) -> None:
        super().__init__()
        self.encoder = model.encoder

    def forward(self, image: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map images (B, C, H, W) in 0..1 and a condition to mean and log variance, (B, D) each."""
        mean, log_variance = self.encoder(image, condition).chunk(2, dim=1)
        return mean, log_variance


def encoded(
    model: VariationalAutoencoder, image: Tensor, condition: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the mean and log variance of z, (B, D) each, that an exported encoder reproduces."""
    posterior = model.encode(image, condition)
    return posterior.mean, posterior.log_variance


def decoded(model: VariationalAutoencoder, z: Tensor, condition: Tensor | None = None) -> Tensor:
    """Return the images (B, C, H, W) in 0..1 that an exported decoder must reproduce."""
    return model.expected_image(model.decode(z, condition))
