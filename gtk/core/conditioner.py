"""The contract Conditioner: how a condition gets into a network."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from gtk.core.data import ConditionSpec


@dataclass(frozen=True)
class Site:
    """A place in a model where a condition may enter.

    Attributes:
        role: the network, by its name in `Model.networks()`: "encoder", "decoder", ...
        place: where in it: "input", "hidden 0", ...
    """

    role: str
    place: str


class ConditioningLayer(nn.Module, ABC):
    """A layer that takes a network's features and the condition, and gives features.

    Attributes:
        out_features: width (vectors) or channels (images) of what it gives.
    """

    out_features: int

    @abstractmethod
    def forward(self, hidden: Tensor, condition: Tensor | None) -> Tensor:
        """Map (B, F) or (B, F, H, W) and (B,) labels to (B, out_features, ...)."""


class PassThrough(ConditioningLayer):
    """Gives what it takes: where a strategy does not act."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.out_features = features

    def forward(self, hidden: Tensor, condition: Tensor | None) -> Tensor:
        """Return `hidden` as it is."""
        return hidden


class Conditioner(ABC):  # noqa: B024 - a strategy acts at the sites it chooses, so none is abstract
    """A conditioning strategy. It owns no weights: each network's layers belong to that network.

    A subclass overrides the methods for the sites at which it acts.

    Args:
        config: the plugin's options.
        condition: what the data set's images are labelled with; never None where `conditional`.

    Raises:
        InvalidValue: from a subclass that cannot take this kind of condition.
    """

    #: Whether it lets the condition act at all; a strategy that does must act in every network.
    conditional: ClassVar[bool] = True

    def __init__(self, config: Any, condition: ConditionSpec | None) -> None:  # noqa: ANN401 - the plugin's own class
        self.config = config
        self.condition = condition

    def input(self, site: Site, features: int) -> ConditioningLayer:
        """Return the layer before a network's first one; it takes a vector or an image."""
        return PassThrough(features)

    def hidden(self, site: Site, features: int) -> ConditioningLayer:
        """Return the layer before an activation."""
        return PassThrough(features)


class ConditioningRecord(Conditioner):
    """Hands every request on to a strategy and remembers at which sites it acted.

    This is what a model is given, so neither models nor strategies have to keep the record.

    Attributes:
        acted: the sites at which the strategy put a layer of its own.
    """

    def __init__(self, strategy: Conditioner) -> None:
        super().__init__(strategy.config, strategy.condition)
        self._strategy = strategy
        self.acted: list[Site] = []

    def input(self, site: Site, features: int) -> ConditioningLayer:
        """Ask the strategy."""
        return self._noted(site, self._strategy.input(site, features))

    def hidden(self, site: Site, features: int) -> ConditioningLayer:
        """Ask the strategy."""
        return self._noted(site, self._strategy.hidden(site, features))

    def idle_networks(self, networks: dict[str, nn.Module]) -> list[str]:
        """Return the networks that ought to be conditioned and are not."""
        reached = {site.role for site in self.acted}
        return [name for name in networks if self._strategy.conditional and name not in reached]

    def _noted(self, site: Site, layer: ConditioningLayer) -> ConditioningLayer:
        if not isinstance(layer, PassThrough):
            self.acted.append(site)
        return layer
