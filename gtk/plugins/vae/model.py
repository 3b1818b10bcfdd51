"""The variational autoencoder (Kingma and Welling, arXiv:1312.6114), conditional or not."""

from torch import Tensor, nn

from gtk.core.conditioner import Conditioner
from gtk.core.data import DataSpec
from gtk.core.model import ExportPart, Model
from gtk.core.noise import NoiseSpec
from gtk.core.normalization import Normalization
from gtk.plugins.networks.layer import LayerMaker
from gtk.plugins.vae import VAEConfig
from gtk.plugins.vae.convolution import ConvolutionalDecoder, ConvolutionalEncoder
from gtk.plugins.vae.gaussian import DiagonalGaussian, StandardGaussian
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
        """Return what makes images: the decoder, or prior and decoder where the prior is learned.

        The decoder takes z, the other noise.
        """
        learned = self.config.prior == "learned"
        noise = "noise" if learned else "z"
        inputs = (noise,) if self.condition is None else (noise, self.condition.input_name)
        part = ExportPart(ExpectedImage(self), inputs, "image")
        return {"sampler" if learned else "decoder": part}


class ExpectedImage(nn.Module):
    """What makes images of noise, without the encoder."""

    def __init__(self, model: VariationalAutoencoder) -> None:
        super().__init__()
        self.prior = model.prior_network
        self.decoder = model.decoder
        self.likelihood = model.likelihood

    def forward(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map noise (B, D) and a condition to images (B, C, H, W) in 0..1."""
        z = self.prior(condition).transform(noise)
        return self.likelihood.mean(self.decoder(z, condition))


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
