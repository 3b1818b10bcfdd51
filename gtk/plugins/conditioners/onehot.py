"""The label as a one-hot vector."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gtk.core.contracts.conditioner import Conditioner, ConditioningLayer, Site
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.errors import InvalidValue
from gtk.plugins.conditioners.concatenate import Concatenate


class OneHotCode(nn.Module):
    """Labels to one-hot vectors, by looking up rows of the unit matrix.

    A look-up refuses a label outside 0..n-1, where comparing would give zeros without a word.
    """

    unit: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("unit", torch.eye(count), persistent=False)

    def forward(self, label: Tensor) -> Tensor:
        """Map labels (B,) to (B, n)."""
        return self.unit.index_select(0, label)


class OneHot(Conditioner):
    """Concatenates the one-hot label to every network's input, as planes to an image.

    Mirza and Osindero, Conditional Generative Adversarial Nets (arXiv:1411.1784), section 3.2.
    Attributes, which are 0 or 1, are concatenated as they are.

    Args:
        config: none.
        condition: classes or attributes.

    Raises:
        InvalidValue: the condition is a continuous vector.
    """

    acts_on: ClassVar[str] = "inputs"

    def __init__(self, config: Any, condition: ConditionSpec | None) -> None:  # noqa: ANN401 - the contract's
        super().__init__(config, condition)
        if self.known_condition.kind == "continuous":
            raise InvalidValue(
                "conditioner 'onehot' takes classes or attributes, not numbers "
                f"({', '.join(self.known_condition.names)}). Use another --conditioner, such as "
                "embedding."
            )

    def input(self, site: Site, features: int) -> ConditioningLayer:
        """Concatenate the one-hot label, or the attributes."""
        condition = self.known_condition
        code = OneHotCode(condition.count) if condition.kind == "classes" else nn.Identity()
        return Concatenate(features, code, condition.count)
