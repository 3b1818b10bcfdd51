"""Full precision where a network's output becomes a figure: bf16 has three decimal digits."""

from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar, cast

import torch
from torch import Tensor

Values = TypeVar("Values")


def full(values: Values) -> Values:
    """Return a tensor of bf16 or float16 as float32, and everything else as it is."""
    if isinstance(values, Tensor) and values.dtype in (torch.bfloat16, torch.float16):
        return cast("Values", values.float())
    return values


def in_full_precision(values: Tensor) -> AbstractContextManager[object]:
    """Leave autocast, if it is on, for what is computed of `values` inside."""
    kind = values.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
