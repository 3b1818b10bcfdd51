"""The contract Conditioner: how a condition gets into a network.

A condition is a tensor: (B,) int64 class labels, or (B, n) float32 attributes or numbers. Rows of a
nullable one may be absent (see `gtk.core.contracts.embedding.absent_rows`): for these, a layer
returns what it would return without a condition.
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
    """A layer that maps a network's features and the condition to features.

    Attributes:
        out_features: width (vectors) or channels (images) of its result.
        acts: whether its result depends on the condition.
    """

    out_features: int
    acts: ClassVar[bool] = True

    @abstractmethod
    def forward(self, hidden: Tensor, condition: Tensor | None) -> Tensor:
        """Map (B, F) or (B, F, H, W) and a condition to (B, out_features, ...)."""


class PassThrough(ConditioningLayer):
    """The identity, for sites at which a strategy does not act."""

    acts: ClassVar[bool] = False

    def __init__(self, features: int) -> None:
        super().__init__()
        self.out_features = features

    def forward(self, hidden: Tensor, condition: Tensor | None) -> Tensor:
        """Return `hidden`."""
        return hidden


class PlainNormalization(ConditioningLayer):
    """A normalization without the condition, for strategies that do not act on it."""

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
    """The identity on a discriminator's score; a strategy that acts on it has a subclass.

    Attributes:
        acts: whether its result depends on the condition.
    """

    acts: ClassVar[bool] = False

    def forward(self, score: Tensor, features: Tensor, condition: Tensor | None) -> Tensor:
        """Map scores (B,), their features (B, F) and a condition to scores (B,)."""
        return score


class Conditioner:
    """A conditioning strategy: it makes layers, which belong to the networks that ask for them.

    A subclass overrides the methods for the sites at which it acts.

    Args:
        config: the plugin's options.
        condition: what the data set's images are labelled with; never None if `conditional`.

    Attributes:
        conditional: whether the condition acts at all; if so, it must act in every network.
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
        """Return the layer before a network's first one, of vectors or images."""
        return PassThrough(features)

    def hidden(self, site: Site, features: int) -> ConditioningLayer:
        """Return the layer before an activation."""
        return PassThrough(features)

    def normalization(
        self, site: Site, features: int, kind: Normalization, *, spatial: bool
    ) -> ConditioningLayer:
        """Return a normalization of `kind` that keeps the number of features."""
        return PlainNormalization(features, kind, spatial=spatial)

    def score(self, site: Site, features: int) -> ScoreLayer:
        """Return the layer behind a discriminator's score."""
        return ScoreLayer()

    def embed(
        self, site: Site, features: int, scale: float = 1.0, *, learned: bool = True
    ) -> nn.Module:
        """Return a map from a condition to (B, features), for a prior say; it always acts.

        Args:
            site: where it is used.
            features: width of its result.
            scale: factor of its first weights.
            learned: whether an absent condition has a learned vector, or else zeros.
        """
        return ConditionEmbedding(self.known_condition, features, scale, learned=learned)

    @property
    def known_condition(self) -> ConditionSpec:
        """The condition.

        Raises:
            ValueError: no condition acts.
        """
        if self.condition is None or not self.conditional:
            raise ValueError("this conditioner needs a condition, but no condition acts here")
        return self.condition


class ConditioningRecord(Conditioner):
    """Wraps the strategy that a model is built with, and records the sites.

    Attributes:
        asked: the sites that the model asked for, including those at which the strategy does not
            act.
        acted: the sites at which the strategy acts.
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
        # A plugin for version 1 of the contracts may override embed() without `learned`.
        changed = {} if learned else {"learned": False}
        return self._strategy.embed(site, features, scale, **changed)

    def idle_networks(
        self, networks: dict[str, nn.Module], unconditioned: Collection[str] = ()
    ) -> list[str]:
        """Return the networks that should be conditioned and are not.

        Args:
            networks: of the model.
            unconditioned: those that need not be, if another one is conditioned.
        """
        reached = {site.role for site in self.acted}
        exempt = reached.union(unconditioned if reached else ())
        return [name for name in networks if self.conditional and name not in exempt]

    def unknown_roles(self, networks: Collection[str]) -> list[str]:
        """Return the roles of sites that are not networks, in alphabetical order."""
        return sorted({site.role for site in self.asked} - set(networks))

    def _noted(self, site: Site, layer: LayerType) -> LayerType:
        self.asked.append(site)
        if layer.acts:
            self.acted.append(site)
        return layer
