"""Attributes: an image has any of several."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.condition_spec import NONE
from gtk.core.values.named_numbers import NamedNumbers


@dataclass(frozen=True)
class Attributes(NamedNumbers):
    """Several things that an image has or has not: 1 or 0 each."""

    kind: str = "attributes"

    nouns = ("attribute", "attributes")
    limits = (0, 1)

    def ends(self) -> Iterator[tuple[str, float, float]]:
        """Yield each name with 0 and 1."""
        for name in self.names:
            yield name, 0.0, 1.0

    def examples(self) -> NDArray[np.float32]:
        """Return every attribute alone."""
        return np.eye(self.count, dtype=np.float32)

    def typical(self, count: int) -> NDArray[np.float32]:
        """Return no attribute and all attributes in turn."""
        return np.tile(np.arange(count, dtype=np.float32)[:, None] % 2, self.count)

    def written(self, count: int) -> list[dict[str, float]]:
        """Return the first attribute absent once, then present."""
        return [{self.names[0]: min(at, 1)} for at in range(count)]

    @property
    def domain(self) -> str:
        """Absent or present."""
        return "0 or 1 each"

    def _defaults(self) -> dict[str, float]:
        return dict.fromkeys(self.names, 0.0)

    def _present_name(self, row: NDArray[Any]) -> str:
        return ", ".join(compress(self.names, row >= 0.5)) or NONE
