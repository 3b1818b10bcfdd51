"""Terms of a loss between two reports, kept as tensors: reading one would wait for the device."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class PendingTerms:
    """What has been noted since the last report; part of a checkpoint, so no report is torn.

    Attributes:
        steps: how many steps it was noted in.
    """

    def __init__(self) -> None:
        self.steps = 0
        self._values: dict[str, list[Tensor]] = {}

    def note(self, name: str, value: Tensor) -> None:
        """Keep a scalar."""
        self._values.setdefault(name, []).append(value.detach())

    def take(self) -> tuple[int, dict[str, float]]:
        """Return the number of steps and the mean of each term, and begin anew."""
        # One transfer for all of them.
        means = torch.stack([torch.stack(values).mean() for values in self._values.values()])
        taken = self.steps, dict(zip(self._values, means.tolist(), strict=True))
        self.steps, self._values = 0, {}
        return taken

    def tensors(self) -> dict[str, Tensor]:
        """Return the terms as vectors, for a checkpoint."""
        return {name: torch.stack(values) for name, values in self._values.items()}

    def facts(self) -> dict[str, Any]:
        """Return what the tensors do not say: the number of steps, and the order of the terms."""
        return {"steps": self.steps, "terms": list(self._values)}

    def restore(
        self, facts: Mapping[str, Any], tensors: Mapping[str, Tensor], device: torch.device
    ) -> None:
        """Put back what `facts` and `tensors` returned."""
        self.steps = facts["steps"]
        self._values = {name: list(tensors[name].to(device).unbind()) for name in facts["terms"]}
