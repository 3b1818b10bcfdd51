"""A conditioner that records which of its layers receive a condition."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from gtk.core.contracts.conditioner import Conditioner, ConditioningRecord, LayerType, Site


class ConditioningProbe(ConditioningRecord):
    """Records which of the acting layers receive a condition, in a model and in its copies."""

    def __init__(self, strategy: Conditioner) -> None:
        super().__init__(strategy)
        self._reached: list[bool] = []  # one for each site in self.acted

    @property
    def unused(self) -> list[Site]:
        """The sites whose layers have not received a condition."""
        return [site for site, used in zip(self.acted, self._reached, strict=True) if not used]

    def embed(
        self, site: Site, features: int, scale: float = 1.0, *, learned: bool = True
    ) -> nn.Module:
        """Return the strategy's layer, after adding the hook that records its calls."""
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

        # deepcopy keeps functions, so that copies of the model report to this record; an object
        # with a method would be copied with the model.
        layer.register_forward_pre_hook(note, with_kwargs=True)
