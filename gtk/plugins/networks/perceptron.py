"""Fully connected layers; the conditioner puts its layers between them."""

from torch import Tensor, nn

from gtk.core.contracts.conditioner import Site
from gtk.plugins.networks.layer import LayerMaker, run


class Perceptron(nn.Module):
    """Hidden layers, each with whatever its maker puts behind a linear map.

    Args:
        maker: of the layers.
        features: width of the input.
        widths: of the hidden layers.
        normalize_first: whether the first hidden layer may have a normalization.

    Attributes:
        out_features: width of what it gives.
    """

    def __init__(
        self,
        maker: LayerMaker,
        features: int,
        widths: tuple[int, ...],
        *,
        normalize_first: bool = True,
    ) -> None:
        super().__init__()
        self.input = maker.conditioner.input(Site(maker.role, "input"), features)
        features = self.input.out_features
        self.hidden = nn.ModuleList()
        for index, width in enumerate(widths):
            normalized = normalize_first or index > 0
            linear = nn.Linear(features, width)
            layer = maker.make(linear, width, f"hidden {index}", normalized=normalized)
            self.hidden.append(layer)
            features = layer.out_features
        self.out_features = features

    def forward(self, values: Tensor, condition: Tensor | None) -> Tensor:
        """Map (B, features) and a condition to (B, out_features)."""
        return run(self.hidden, self.input(values, condition), condition)
