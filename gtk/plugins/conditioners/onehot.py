"""The label as a one-hot vector."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gtk.core.contracts.conditioner import Conditioner, ConditioningLayer, Site
from gtk.core.values.condition import Attributes, Classes, ConditionSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting
from gtk.plugins.conditioners.concatenate import Concatenate


class OneHotCode(nn.Module):
    """Maps labels to one-hot vectors by looking up rows of the unit matrix.

    A look-up refuses a label outside 0..n-1, where a comparison would silently give zeros.

    Args:
        count: n.
        nullable: whether the label n, for an absent condition, gives zeros.
    """

    unit: Tensor

    def __init__(self, count: int, *, nullable: bool = False) -> None:
        super().__init__()
        unit = torch.eye(count + nullable, count)
        self.register_buffer("unit", unit, persistent=False)

    def forward(self, label: Tensor) -> Tensor:
        """Map labels (B,) to (B, n)."""
        return self.unit.index_select(0, label)


class PresentAttributes(nn.Module):
    """Passes attributes on, with zeros where they are absent."""

    def forward(self, attributes: Tensor) -> Tensor:
        """Map (B, n) to (B, n)."""
        return attributes.nan_to_num(0.0)


class OneHot(Conditioner):
    """Concatenates the one-hot label to every network's input, as planes to an image.

    Mirza and Osindero, Conditional Generative Adversarial Nets (arXiv:1411.1784), section 3.2.
    Attributes, which are 0 or 1, are concatenated unchanged.

    Raises:
        InvalidValue: the condition is neither classes nor attributes.
    """

    acts_on: ClassVar[str] = "inputs"

    def __init__(self, config: Any, condition: ConditionSpec | None) -> None:  # noqa: ANN401 - the contract's
        super().__init__(config, condition)
        if not isinstance(self.known_condition, Classes | Attributes):
            raise InvalidValue(
                "conditioner 'onehot' takes classes or attributes, not numbers "
                f"({', '.join(self.known_condition.names)}). Use another {setting('conditioner')}, "
                "such as embedding."
            )

    def input(self, site: Site, features: int) -> ConditioningLayer:
        """Concatenate the one-hot label, or the attributes."""
        condition = self.known_condition
        if isinstance(condition, Classes):
            code: nn.Module = OneHotCode(condition.count, nullable=condition.nullable)
        else:
            code = PresentAttributes() if condition.nullable else nn.Identity()
        return Concatenate(features, code, condition.count)
