"""Hidden layers: linear maps or convolutions with conditioning, normalization and activation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from gtk.core.contracts.conditioner import Conditioner, ConditioningLayer, Site
from gtk.core.contracts.normalization import Normalization
from gtk.plugins.networks.stage import Stage


class ConditionedLayer(nn.Module):
    """A linear map or convolution, followed by the steps of a hidden layer.

    Args:
        transform: the linear map or convolution.
        steps: modules by name, in order; conditioning layers also receive the condition.
        out_features: width or channels of the output.
    """

    def __init__(
        self, transform: nn.Module, steps: dict[str, nn.Module], out_features: int
    ) -> None:
        super().__init__()
        self.transform = transform
        for name, step in steps.items():
            self.add_module(name, step)
        self.out_features = out_features

    def forward(self, values: Tensor, condition: Tensor | None) -> Tensor:
        """Map (B, F) or (B, F, H, W) and a condition to (B, out_features, ...)."""
        for step in self.children():
            conditioning = isinstance(step, ConditioningLayer)
            values = step(values, condition) if conditioning else step(values)
        return values


@dataclass(frozen=True)
class LayerMaker:
    """Makes the hidden layers of one network.

    Attributes:
        role: the network's name, for the conditioner.
        conditioner: provides the conditioning layers and the normalizations.
        normalization: the kind of normalization in this network.
        activation: makes the activation.
        normalized_last: whether the normalization follows the activation; otherwise it comes
            first, before the conditioning layer.
    """

    role: str
    conditioner: Conditioner
    normalization: Normalization
    activation: Callable[[], nn.Module]
    normalized_last: bool = False

    def make(
        self, transform: nn.Module, features: int, place: str, *, normalized: bool = True
    ) -> ConditionedLayer:
        """Return a hidden layer.

        Args:
            transform: a linear map or a convolution.
            features: width or channels of its output.
            place: the layer's place in the network, for the conditioner.
            normalized: False leaves out the normalization of this layer.
        """
        site = Site(self.role, place)
        spatial = not isinstance(transform, nn.Linear)
        steps: dict[str, nn.Module] = {}
        normalized = normalized and self.normalization.name != "none"
        if normalized and not self.normalized_last:
            steps["normalization"] = self._normalization(site, features, spatial=spatial)
        hidden = self.conditioner.hidden(site, features)
        if hidden.acts:
            steps["hidden"] = hidden
            features = hidden.out_features
        steps["activation"] = self.activation()
        if normalized and self.normalized_last:
            steps["normalization"] = self._normalization(site, features, spatial=spatial)
        return ConditionedLayer(transform, steps, features)

    def _normalization(self, site: Site, features: int, *, spatial: bool) -> ConditioningLayer:
        return self.conditioner.normalization(site, features, self.normalization, spatial=spatial)


class HiddenLayers(nn.Module):
    """The conditioner's input layer, then fully connected or convolutional hidden layers.

    Args:
        maker: makes the layers.
        features: width or channels of the input.
        widths: width or channels of each layer.
        stages: as many convolutions; None for fully connected layers.
        normalize_first: False leaves out the normalization of the first layer.

    Attributes:
        out_features: width or channels of the output.
    """

    def __init__(
        self,
        maker: LayerMaker,
        features: int,
        widths: Sequence[int],
        stages: Sequence[Stage] | None = None,
        *,
        normalize_first: bool = True,
    ) -> None:
        super().__init__()
        self.input = maker.conditioner.input(Site(maker.role, "input"), features)
        features = self.input.out_features
        self.hidden = nn.ModuleList()
        for index, width in enumerate(widths):
            transform = (
                stages[index].convolution(features, width) if stages else nn.Linear(features, width)
            )
            normalized = normalize_first or index > 0
            layer = maker.make(transform, width, f"hidden {index}", normalized=normalized)
            self.hidden.append(layer)
            features = layer.out_features
        self.out_features = features

    def forward(self, values: Tensor, condition: Tensor | None) -> Tensor:
        """Map (B, features, ...) and a condition to (B, out_features, ...)."""
        return run(self.hidden, self.input(values, condition), condition)


def run(layers: nn.ModuleList, values: Tensor, condition: Tensor | None) -> Tensor:
    """Apply layers that take a condition, one after the other."""
    for layer in layers:
        values = layer(values, condition)
    return values
