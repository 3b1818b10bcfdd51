"""A decoder of fully connected layers."""

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from gtk.plugins.networks.layer import HiddenLayers, LayerMaker
from gtk.plugins.networks.stage import ImageShape


class PerceptronDecoder(nn.Module):
    """Fully connected layers from a vector to maps.

    Args:
        maker: makes the hidden layers.
        features: width D of the vector.
        widths: of the hidden layers.
        output_shape: (channels, H, W).
    """

    def __init__(
        self, maker: LayerMaker, features: int, widths: Sequence[int], output_shape: ImageShape
    ) -> None:
        super().__init__()
        self.output_shape = output_shape
        self.layers = HiddenLayers(maker, features, widths)
        self.head = nn.Linear(self.layers.out_features, prod(output_shape))

    def forward(self, vector: Tensor, condition: Tensor | None) -> Tensor:
        """Map (B, D) and a condition to (B, channels, H, W)."""
        return self.output(self.head(self.layers(vector, condition))).reshape(
            -1, *self.output_shape
        )

    def output(self, values: Tensor) -> Tensor:
        """Map the head's values (B, channels * H * W) to the output's; by default unchanged."""
        return values
