"""Fully connected encoder and decoder; the conditioner puts its layers between theirs."""

from torch import Tensor, nn

from gtk.core.conditioner import Conditioner, ConditioningLayer, Site


class PerceptronLayers(nn.Module):
    """Hidden layers: linear, whatever the conditioner does, ReLU.

    Args:
        role: the network's name, for the conditioner.
        features: width of the input.
        widths: of the hidden layers.
        conditioner: asked before the first layer and before every activation.
    """

    def __init__(
        self, role: str, features: int, widths: tuple[int, ...], conditioner: Conditioner
    ) -> None:
        super().__init__()
        self.input: ConditioningLayer = conditioner.input(Site(role, "input"), features)
        features = self.input.out_features
        self.linear = nn.ModuleList()
        self.hidden = nn.ModuleList()
        for index, width in enumerate(widths):
            self.linear.append(nn.Linear(features, width))
            layer = conditioner.hidden(Site(role, f"hidden {index}"), width)
            self.hidden.append(layer)
            features = layer.out_features
        self.out_features = features

    def forward(self, values: Tensor, condition: Tensor | None) -> Tensor:
        """Map (B, features) and labels (B,) to (B, out_features)."""
        values = self.input(values, condition)
        for linear, hidden in zip(self.linear, self.hidden, strict=True):
            values = hidden(linear(values), condition).relu()
        return values


class Encoder(nn.Module):
    """Images to the two halves of a Gaussian: mean and log variance."""

    def __init__(
        self, pixels: int, widths: tuple[int, ...], latent_dim: int, conditioner: Conditioner
    ) -> None:
        super().__init__()
        self.layers = PerceptronLayers("encoder", pixels, widths, conditioner)
        # One matrix for both halves: one product instead of two, the same parameters.
        self.head = nn.Linear(self.layers.out_features, 2 * latent_dim)

    def forward(self, images: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Map images (B, C, H, W) and labels (B,) to mean and log variance, (B, D) each."""
        values: Tensor = self.head(self.layers(images.flatten(1), condition))
        mean, log_variance = values.chunk(2, dim=1)
        return mean, log_variance


class Decoder(nn.Module):
    """A latent code to the parameters of the pixels' likelihood."""

    def __init__(
        self,
        latent_dim: int,
        widths: tuple[int, ...],
        image_shape: tuple[int, int, int],
        conditioner: Conditioner,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.image_shape = image_shape
        self.layers = PerceptronLayers("decoder", latent_dim, widths, conditioner)
        self.head = nn.Linear(self.layers.out_features, channels * height * width)

    def forward(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Map z (B, D) and labels (B,) to (B, C, H, W)."""
        values: Tensor = self.head(self.layers(z, condition))
        return values.reshape(-1, *self.image_shape)
