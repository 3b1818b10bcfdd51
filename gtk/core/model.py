"""The contract Model: networks, and how an image is drawn from them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from gtk.core.condition import ConditionSpec
from gtk.core.noise import NoiseSpec


@dataclass(frozen=True)
class ExportPart:
    """A module worth exporting, and what it takes and gives.

    Attributes:
        module: called with the inputs in order.
        inputs: their names: the first is noise of the model's `NoiseSpec`, the second, where a
            condition acts, what `ConditionSpec.input_name` says.
        output: the name of what it gives.
    """

    module: nn.Module
    inputs: tuple[str, ...]
    output: str


class Model(nn.Module, ABC):
    """Networks. A subclass is constructed with (config, data_spec, conditioner).

    Attributes:
        config: the plugin's options.
        noise: what sampling starts from.
        condition: what samples are conditioned on, None where no condition acts; set by gtk after
            construction.
    """

    config: Any
    noise: NoiseSpec
    condition: ConditionSpec | None = None

    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """Return the networks by role: {"encoder": ..., "decoder": ...}; these are counted."""

    def parts(self) -> dict[str, nn.Module]:
        """Return what each optimizer trains, by name; disjoint and complete; one by default."""
        return {"model": self}

    @abstractmethod
    def sample(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        """Map noise (B, *noise.shape) and a condition to images (B, C, H, W) in 0..1.

        A pure function of its inputs: it draws nothing.
        """

    @abstractmethod
    def exports(self) -> dict[str, ExportPart]:
        """Return the modules worth exporting, by name."""
