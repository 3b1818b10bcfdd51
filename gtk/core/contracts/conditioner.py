"""The contract Conditioner: how a condition gets into a network.

A condition is a tensor: (B,) int64 class labels, or (B, n) float32 attributes or numbers. Where it
is nullable, a batch mixes rows with and without one: a layer hands on for an absent row what it
would hand on without a condition. `gtk.core.contracts.embedding.absent_rows` says which those are.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from torch import Tensor, nn

from gtk.core.contracts.embedding import ConditionEmbedding
from gtk.core.contracts.normalization import Normalization
from gtk.core.values.condition import ConditionSpec


@dataclass(frozen=True)
class Site:
    """A place in a model where a condition may enter.

    Attributes:
        role: the network, by its name in `Model.networks()`: "encoder", "decoder", ...
        place: where in it: "input", "hidden 0", ...
    """

    role: str
    place: str


LayerType = TypeVar("LayerType", bound="ConditioningLayer | ScoreLayer")


class ConditioningLayer(nn.Module, ABC):
    """A layer that takes a network's features and the condition, and gives features.

    Attributes:
        out_features: width (vectors) or channels (images) of what it gives.
        acts: whether the condition makes a difference to it.
    """

    out_features: int
    acts: ClassVar[bool] = True

    @abstractmethod
    def forward(self, hidden: Tensor, condition: Tensor | None) -> Tensor:
        """Map (B, F) or (B, F, H, W) and a condition to (B, out_features, ...)."""


class PassThrough(ConditioningLayer):
    """Gives what it takes: where a strategy does not act."""

    acts: ClassVar[bool] = False

    def __init__(self, features: int) -> None:
        super().__init__()
        self.out_features = features

    def forward(self, hidden: Tensor, condition: Tensor | None) -> Tensor:
        """Return `hidden` as it is."""
        return hidden


class PlainNormalization(ConditioningLayer):
    """Normalizes all images alike: where a strategy does not act on normalizations."""

    acts: ClassVar[bool] = False

    def __init__(self, features: int, kind: Normalization, *, spatial: bool) -> None:
        super().__init__()
        self.out_features = features
        self.layer = kind.build(features, spatial=spatial, affine=True)

    def forward(self, hidden: Tensor, condition: Tensor | None) -> Tensor:
        """Normalize (B, F) or (B, F, H, W)."""
        normalized: Tensor = self.layer(hidden)
        return normalized


class ScoreLayer(nn.Module):
    """Gives a discriminator's score as it is; a strategy that acts on it has a subclass.

    Attributes:
        acts: whether the condition makes a difference to it.
    """

    acts: ClassVar[bool] = False

    def forward(self, score: Tensor, features: Tensor, condition: Tensor | None) -> Tensor:
        """Map scores (B,), the features (B, F) they come from, and a condition to scores (B,)."""
        return score


class Conditioner:
    """A conditioning strategy. It owns no weights: each network's layers belong to that network.

    A subclass overrides the methods for the sites at which it acts.

    Args:
        config: the plugin's options.
        condition: what the data set's images are labelled with; never None where `conditional`.

    Attributes:
        conditional: whether it lets the condition act at all; a strategy that does must act in
            every network.
        acts_on: what it needs to find in a network, for messages.

    Raises:
        InvalidValue: from a subclass that cannot take this kind of condition.
    """

    conditional: bool = True
    acts_on: ClassVar[str] = "places that a model has to ask for"

    def __init__(self, config: Any, condition: ConditionSpec | None) -> None:  # noqa: ANN401 - the plugin's own class
        self.config = config
        self.condition = condition

    def input(self, site: Site, features: int) -> ConditioningLayer:
        """Return the layer before a network's first one; it takes a vector or an image."""
        return PassThrough(features)

    def hidden(self, site: Site, features: int) -> ConditioningLayer:
        """Return the layer before an activation."""
        return PassThrough(features)

    def normalization(
        self, site: Site, features: int, kind: Normalization, *, spatial: bool
    ) -> ConditioningLayer:
        """Return a normalization of `kind`, which keeps the number of features."""
        return PlainNormalization(features, kind, spatial=spatial)

    def score(self, site: Site, features: int) -> ScoreLayer:
        """Return the layer behind a discriminator's score."""
        return ScoreLayer()

    def embed(
        self, site: Site, features: int, scale: float = 1.0, *, learned: bool = True
    ) -> nn.Module:
        """Return a map from a condition to (B, features), as a prior wants it; it always acts.

        Args:
            site: where it is used.
            features: width of what it gives.
            scale: what its first weights are multiplied by.
            learned: whether an absent condition has a learned vector, or else zeros.
        """
        return ConditionEmbedding(self.known_condition, features, scale, learned=learned)

    @property
    def known_condition(self) -> ConditionSpec:
        """The condition.

        Raises:
            ValueError: there is none.
        """
        if self.condition is None or not self.conditional:
            raise ValueError("it needs a condition, and none acts here")
        return self.condition


class ConditioningRecord(Conditioner):
    """Passes every request to a strategy and records the sites that were asked for.

    A model is given this record, so neither models nor strategies have to keep one.

    Attributes:
        asked: all sites that the model asked for, also those at which the strategy does not act.
        acted: the sites at which the strategy put a layer of its own.
    """

    def __init__(self, strategy: Conditioner) -> None:
        super().__init__(strategy.config, strategy.condition)
        self._strategy = strategy
        self.conditional = strategy.conditional
        self.asked: list[Site] = []
        self.acted: list[Site] = []

    def input(self, site: Site, features: int) -> ConditioningLayer:
        """Ask the strategy."""
        return self._noted(site, self._strategy.input(site, features))

    def hidden(self, site: Site, features: int) -> ConditioningLayer:
        """Ask the strategy."""
        return self._noted(site, self._strategy.hidden(site, features))

    def normalization(
        self, site: Site, features: int, kind: Normalization, *, spatial: bool
    ) -> ConditioningLayer:
        """Ask the strategy."""
        layer = self._strategy.normalization(site, features, kind, spatial=spatial)
        return self._noted(site, layer)

    def score(self, site: Site, features: int) -> ScoreLayer:
        """Ask the strategy."""
        return self._noted(site, self._strategy.score(site, features))

    def embed(
        self, site: Site, features: int, scale: float = 1.0, *, learned: bool = True
    ) -> nn.Module:
        """Ask the strategy."""
        self.asked.append(site)
        self.acted.append(site)
        if learned:
            return self._strategy.embed(site, features, scale)
        return self._strategy.embed(site, features, scale, learned=False)

    def idle_networks(
        self, networks: dict[str, nn.Module], unconditioned: Collection[str] = ()
    ) -> list[str]:
        """Return the networks that should be conditioned and are not.

        Args:
            networks: of the model.
            unconditioned: those that may do without, as long as another one is conditioned.
        """
        reached = {site.role for site in self.acted}
        spared = unconditioned if reached else ()
        return [
            name
            for name in networks
            if self.conditional and name not in reached and name not in spared
        ]

    def unknown_roles(self, networks: Collection[str]) -> list[str]:
        """Return the roles of sites that name none of the networks, in alphabetical order."""
        return sorted({site.role for site in self.asked} - set(networks))

    def _noted(self, site: Site, layer: LayerType) -> LayerType:
        self.asked.append(site)
        if layer.acts:
            self.acted.append(site)
        return layer
