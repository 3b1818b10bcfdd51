"""A linear map or convolution with what comes with it: conditioning, normalization, activation."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from gtk.core.contracts.conditioner import Conditioner, ConditioningLayer, Site
from gtk.core.contracts.normalization import Normalization


class ConditionedLayer(nn.Module):
    """A linear map or convolution, then some of: conditioner's layer, normalization, activation.

    Args:
        transform: the map.
        steps: what follows it, in order, by name; conditioning layers get the condition.
        out_features: of the last.
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
        transform, *steps = self.children()
        values = transform(values)
        for step in steps:
            if isinstance(step, ConditioningLayer):
                values = step(values, condition)
            else:
                values = step(values)
        return values


@dataclass(frozen=True)
class LayerMaker:
    """Makes the hidden layers of one network.

    Attributes:
        role: the network's name, for the conditioner.
        conditioner: asked before every activation, and for every normalization.
        normalization: which one the network wants.
        activation: makes the activation.
        normalized_last: whether the normalization follows the activation, instead of coming
            before it and before the conditioner's layer.
    """

    role: str
    conditioner: Conditioner
    normalization: Normalization
    activation: Callable[[], nn.Module]
    normalized_last: bool

    def make(
        self, transform: nn.Module, features: int, place: str, *, normalized: bool = True
    ) -> ConditionedLayer:
        """Return a hidden layer.

        Args:
            transform: a linear map or a convolution.
            features: of what it gives.
            place: where in the network it is, for the conditioner.
            normalized: whether this layer has a normalization, if the network wants one.
        """
        site = Site(self.role, place)
        spatial = not isinstance(transform, nn.Linear)
        wanted = normalized and self.normalization.name != "none"
        steps: dict[str, nn.Module] = {}
        if wanted and not self.normalized_last:
            steps["normalization"] = self._normalization(site, features, spatial=spatial)
        hidden = self.conditioner.hidden(site, features)
        if hidden.acts:
            steps["hidden"] = hidden
            features = hidden.out_features
        steps["activation"] = self.activation()
        if wanted and self.normalized_last:
            steps["normalization"] = self._normalization(site, features, spatial=spatial)
        return ConditionedLayer(transform, steps, features)

    def _normalization(self, site: Site, features: int, *, spatial: bool) -> ConditioningLayer:
        return self.conditioner.normalization(site, features, self.normalization, spatial=spatial)


def run(layers: nn.ModuleList, values: Tensor, condition: Tensor | None) -> Tensor:
    """Send values through layers that take a condition, one after the other."""
    for layer in layers:
        values = layer(values, condition)
    return values
