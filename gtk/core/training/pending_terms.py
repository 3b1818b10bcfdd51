"""Terms of a loss between two reports, kept as tensors: reading one would wait for the device."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Noted:
    """A value of a term.

    Attributes:
        name: the term.
        part: the part of the model that it was noted for, None where there is only one.
        step: in which step since the last report, counted from 1.
        value: a scalar.
    """

    name: str
    part: str | None
    step: int
    value: float

    def __str__(self) -> str:
        """Name the term, its part and its value."""
        part = "" if self.part is None else f" (part {self.part})"
        return f"{self.name}{part} became {self.value}"


class PendingTerms:
    """What has been noted since the last report; part of a checkpoint, so no report is torn.

    Attributes:
        steps: how many steps it was noted in.
    """

    def __init__(self) -> None:
        self.steps = 0
        self._noted: dict[str, list[tuple[int, str | None, Tensor]]] = {}

    def note(self, name: str, value: Tensor, part: str | None = None) -> None:
        """Keep a scalar, and which part's update it belongs to."""
        self._noted.setdefault(name, []).append((self.steps, part, value.detach()))

    def means(self) -> dict[str, float]:
        """Return the mean of each term."""
        # One transfer for all of them.
        means = torch.stack([values.mean() for values in self.tensors().values()])
        return dict(zip(self._noted, means.tolist(), strict=True))

    def clear(self) -> None:
        """Begin anew."""
        self.steps, self._noted = 0, {}

    def first_not_finite(self) -> Noted | None:
        """Return the first value that is no finite number, None where all are; waits once."""
        vectors = self.tensors().values()
        if not vectors or torch.stack([values.isfinite().all() for values in vectors]).all():
            return None
        bad = [
            Noted(name, part, step, value.item())
            for name, noted in self._noted.items()
            for step, part, value in noted
            if not math.isfinite(value.item())
        ]
        return min(bad, key=lambda item: item.step)  # of one step the one noted first

    def tensors(self) -> dict[str, Tensor]:
        """Return the terms as vectors, for a checkpoint."""
        return {
            name: torch.stack([value for _, _, value in noted])
            for name, noted in self._noted.items()
        }

    def facts(self) -> dict[str, Any]:
        """Return what the tensors do not say: the number of steps, and the order of the terms."""
        return {"steps": self.steps, "terms": list(self._noted)}

    def restore(
        self, facts: Mapping[str, Any], tensors: Mapping[str, Tensor], device: torch.device
    ) -> None:
        """Put back what `facts` and `tensors` returned; it was saved, so all of it is finite."""
        self.steps = facts["steps"]
        self._noted = {
            name: [(0, None, value) for value in tensors[name].to(device).unbind()]
            for name in facts["terms"]
        }
