"""The variational autoencoder (Kingma and Welling, arXiv:1312.6114), conditional or not."""

from torch import Tensor, nn

from gtk.core.contracts.conditioner import Conditioner
from gtk.core.contracts.model import ExportPart, Model
from gtk.core.contracts.normalization import Normalization
from gtk.core.values.dataset import DataSpec
from gtk.core.values.image import Image
from gtk.core.values.noise import NoiseSpec
from gtk.core.values.value import Array, ports
from gtk.plugins.families.gaussian import DiagonalGaussian, StandardGaussian
from gtk.plugins.networks.layer import LayerMaker
from gtk.plugins.vae import VAEConfig
from gtk.plugins.vae.convolution import ConvolutionalDecoder, ConvolutionalEncoder
from gtk.plugins.vae.likelihood import make_likelihood
from gtk.plugins.vae.perceptron import PerceptronDecoder, PerceptronEncoder
from gtk.plugins.vae.prior import ConditionalPrior, StandardPrior


class VariationalAutoencoder(Model):
    """An encoder and a decoder, of fully connected or convolutional layers.

    It is a `LatentVariableModel`.

    Args:
        config: sizes, likelihood and prior.
        data_spec: the images' shape.
        conditioner: how the condition gets into the networks; with one that acts, this is the CVAE
            of Sohn, Lee and Yan (NeurIPS 2015).

    Raises:
        ValueError: a learned prior without a condition.
    """

    def __init__(self, config: VAEConfig, data_spec: DataSpec, conditioner: Conditioner) -> None:
        super().__init__()
        self.config = config
        self.noise = NoiseSpec((config.latent_dim,))
        self.image = Image(data_spec.image_shape)
        self.likelihood = make_likelihood(config.likelihood, config.variance)
        self.encoder, self.decoder = make_networks(
            config,
            data_spec.image_shape,
            self.likelihood.channels(data_spec.channels),
            conditioner,
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

    def sample(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        """Map noise (B, D) and a condition to expected images (B, C, H, W) in 0..1."""
        z = self.prior(condition).transform(noise)
        return self.expected_image(self.decode(z, condition))

    def exports(self) -> dict[str, ExportPart]:
        """Return what makes images first: the decoder, or the sampler where the prior is learned.

        The decoder takes z, the sampler noise, the encoder images; each the condition, too.
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
    """What makes images of a latent code, without the encoder."""

    def __init__(self, model: VariationalAutoencoder) -> None:
        super().__init__()
        self.decoder = model.decoder
        self.likelihood = model.likelihood

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map z (B, D) and a condition to images (B, C, H, W) in 0..1."""
        return self.likelihood.mean(self.decoder(z, condition))


class SampledImage(ExpectedImage):
    """What makes images of standard normal noise: the learned prior, then the decoder."""

    def __init__(self, model: VariationalAutoencoder) -> None:
        super().__init__(model)
        self.prior = model.prior_network

    def forward(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map noise (B, D) and a condition to images (B, C, H, W) in 0..1."""
        return super().forward(self.prior(condition).transform(noise), condition)


class Posterior(nn.Module):
    """The encoder, with the two halves of what it puts out as two outputs."""

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
    """Return what an exported encoder has to give: the mean and log variance of z, (B, D) each."""
    posterior = model.encode(image, condition)
    return posterior.mean, posterior.log_variance


def decoded(model: VariationalAutoencoder, z: Tensor, condition: Tensor | None = None) -> Tensor:
    """Return what an exported decoder has to give: images (B, C, H, W) in 0..1."""
    return model.expected_image(model.decode(z, condition))


def make_networks(
    config: VAEConfig,
    image_shape: tuple[int, int, int],
    output_channels: int,
    conditioner: Conditioner,
) -> tuple[nn.Module, nn.Module]:
    """Return encoder and decoder.

    Normalizations follow the activations, as in the system that these networks can be set to be.

    Args:
        config: sizes.
        image_shape: (C, H, W).
        output_channels: maps that the decoder puts out.
        conditioner: asked for layers.
    """
    normalization = Normalization(config.normalization, config.norm_epsilon, config.norm_momentum)
    into, back = (
        LayerMaker(role, conditioner, normalization, nn.ReLU, normalized_last=True)
        for role in ("encoder", "decoder")
    )
    widths, latent_dim = config.hidden_dims, config.latent_dim
    output_shape = (output_channels, *image_shape[1:])
    if config.network == "mlp":
        return (
            PerceptronEncoder(into, image_shape, widths, latent_dim),
            PerceptronDecoder(back, latent_dim, widths[::-1], output_shape),
        )
    channels = config.decoder_channels or config.channels[::-1]
    return (
        ConvolutionalEncoder(into, image_shape, config.channels, latent_dim),
        ConvolutionalDecoder(back, latent_dim, widths[::-1], channels, output_shape),
    )
