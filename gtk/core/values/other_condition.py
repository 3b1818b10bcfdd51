"""A condition of an exported file whose kind only the plugin of its model knows."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.condition_spec import ConditionSpec


@dataclass(frozen=True)
class OtherCondition(ConditionSpec):
    """A condition of an unknown kind: what the file says of its type, shape and limits.

    Attributes:
        dtype: the type of its numbers.
        shape: of a row.
        limits: the lowest and the highest number, None for any finite ones.
        none: what each number of an absent row is, None for NaN.
    """

    dtype: np.dtype[Any] = field(default=np.dtype(np.float32), kw_only=True)
    shape: tuple[int, ...] = field(default=(), kw_only=True)
    limits: tuple[float, float] | None = field(default=None, kw_only=True)
    none: Any = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Take any kind."""

    @property
    def summary(self) -> str:
        """How many names there are, and the kind."""
        return f"{self.count} {self.kind}"

    @property
    def absent(self) -> NDArray[Any]:
        """As the file says."""
        return super().absent if self.none is None else np.array(self.none, self.dtype)
