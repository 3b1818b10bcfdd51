"""What a model does with the layers that its conditioner has made for it."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from gtk.core.contracts.conditioner import Conditioner, ConditioningRecord, LayerType, Site


class WatchedConditioner(ConditioningRecord):
    """Sees, too, which of the layers that act are handed a condition.

    Copies of a model are seen as the model itself is.

    Args:
        strategy: that makes the layers.
    """

    def __init__(self, strategy: Conditioner) -> None:
        super().__init__(strategy)
        self._reached: list[bool] = []  # in the order of self.acted

    @property
    def unused(self) -> list[Site]:
        """The sites whose layers no condition has come to."""
        return [site for site, used in zip(self.acted, self._reached, strict=True) if not used]

    def embed(
        self, site: Site, features: int, scale: float = 1.0, *, learned: bool = True
    ) -> nn.Module:
        """Ask the strategy, and watch what it gives."""
        layer = super().embed(site, features, scale, learned=learned)
        self._watch(layer)
        return layer

    def _noted(self, site: Site, layer: LayerType) -> LayerType:
        layer = super()._noted(site, layer)
        if layer.acts:
            self._watch(layer)
        return layer

    def _watch(self, layer: nn.Module) -> None:
        number = len(self._reached)
        self._reached.append(False)

        def note(_: nn.Module, args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
            if named.get("condition", args[-1] if args else None) is not None:
                self._reached[number] = True

        # A function, since a copy of the model would come with a copy of anything else.
        layer.register_forward_pre_hook(note, with_kwargs=True)
