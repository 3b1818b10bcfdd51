"""Terms of a loss between two reports, kept as tensors, since reading one waits for the device."""

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gtk.core.values.errors import InvalidValue


class PendingTerms:
    """The terms since the last report; a part of each checkpoint, so that no report is cut short.

    Attributes:
        steps: the number of steps since the last report.
    """

    def __init__(self) -> None:
        self.steps = 0
        self._noted: dict[str, list[tuple[int, str | None, Tensor]]] = {}

    def note(self, name: str, value: Tensor, part: str | None = None) -> None:
        """Keep a scalar, without dimensions, of the update of a part."""
        self._noted.setdefault(name, []).append((self.steps, part, value.detach()))

    def means(self) -> dict[str, float]:
        """Return the mean of each term."""
        # One transfer for all of them.
        means = torch.stack([values.mean() for values in self.tensors().values()])
        return dict(zip(self._noted, means.tolist(), strict=True))

    def clear(self) -> None:
        """Start again without terms."""
        self.steps, self._noted = 0, {}

    def first_not_finite(self) -> tuple[int, str] | None:
        """Return the first value that is not finite: its step since the report, and its name.

        None if all are finite; waits once for the device.
        """
        vectors = self.tensors().values()
        if not vectors or torch.stack([values.isfinite().all() for values in vectors]).all():
            return None
        found = [
            (step, f"{name}{'' if part is None else f' (part {part})'} became {value.item()}")
            for name, noted in self._noted.items()
            for step, part, value in noted
            if not math.isfinite(value.item())
        ]
        return min(found, key=lambda item: item[0])  # of one step, the one noted first

    def tensors(self) -> dict[str, Tensor]:
        """Return the terms as vectors, for a checkpoint."""
        return {
            name: torch.stack([value for _, _, value in noted])
            for name, noted in self._noted.items()
        }

    def as_json(self) -> dict[str, Any]:
        """Return what the tensors lack: the number of steps, and the order of the terms."""
        return {"steps": self.steps, "terms": list(self._noted)}

    def restore(
        self, document: Mapping[str, Any], tensors: Mapping[str, Tensor], device: torch.device
    ) -> None:
        """Restore what `as_json` and `tensors` returned; only finite values are ever saved.

        Raises:
            InvalidValue: the two differ, or a tensor is not a vector of numbers.
        """
        self.steps = document["steps"]
        for name in (*tensors, *document["terms"]):
            if name not in tensors or name not in document["terms"]:
                fault = "unknown" if name in tensors else "missing"
                raise InvalidValue(f"'pending/{name}' is {fault}")
            if not (tensors[name].is_floating_point() and tensors[name].ndim):
                raise InvalidValue(f"'pending/{name}' is not a vector of numbers")
        if bool(self.steps) != bool(tensors):
            raise InvalidValue(f"'pending' has {len(tensors)} terms of {self.steps} steps")
        self._noted = {
            name: [(0, None, value) for value in tensors[name].to(device).unbind()]
            for name in document["terms"]
        }


def is_scalar(value: object) -> bool:
    """Return whether a term is one real number: a tensor's, numpy's or Python's."""
    if isinstance(value, np.ndarray):
        return not value.ndim and is_scalar(value[()])
    if isinstance(value, Tensor):
        return value.numel() == 1 and not value.is_complex()
    return isinstance(value, Real | np.bool_)


def as_scalar(value: Any, device: torch.device) -> Tensor:  # noqa: ANN401 - what `is_scalar` takes
    """Return one real number as a tensor without dimensions, of floating point."""
    if not isinstance(value, Tensor):
        try:
            number = float(value)
        except OverflowError:  # of Python's whole numbers
            number = math.inf
        return torch.full((), number, device=device)  # torch.tensor(number) waits for a GPU
    scalar: Tensor = value.detach()
    if scalar.dim():  # in each step for each term, and every call takes a microsecond
        scalar = scalar.reshape(())
    if scalar.device != device:
        scalar = scalar.to(device)
    return scalar if scalar.is_floating_point() else scalar.to(torch.float32)


def terms_fault(terms: object, parts: Iterable[str]) -> str:
    """Return what is wrong with the terms of an update, "" if nothing is.

    Losses are reported as "loss" and PART_loss, so a term of such a name would be averaged into
    them.
    """
    if not isinstance(terms, Mapping):
        return f"its terms are {type(terms).__name__}: make them a dict of numbers by name"
    taken = {"loss", *(f"{part}_loss" for part in parts)}
    for name, value in terms.items():
        if not isinstance(name, str):
            return f"its term {name!r:.40} is named by {type(name).__name__}: name it by a string"
        if name in taken:
            return f"its term {name!r} is named as a loss itself is: choose another name"
        if not is_scalar(value):
            given = tuple(value.shape) if hasattr(value, "shape") else type(value).__name__
            return f"its term {name!r} is {given}: make it a scalar tensor, as a mean is"
    return ""
