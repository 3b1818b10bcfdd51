"""Page-locked memory, from which a GPU copies by itself while the CPU goes on."""

import torch
from torch import Tensor


def gathered(values: Tensor, rows: Tensor, device: torch.device) -> Tensor:
    """Return rows of values in the CPU's memory, on a device.

    Args:
        values: (N, ...).
        rows: their numbers, (B,), int64.
        device: where they go.
    """
    if not _copies_by_itself(device):
        return values.index_select(0, rows).to(device)
    found = page_locked((len(rows), *values.shape[1:]), values.dtype)
    torch.index_select(values, 0, rows, out=found)
    # torch keeps this memory from being used again before the GPU has read it.
    return found.to(device, non_blocking=True)


def sent(values: Tensor, device: torch.device) -> Tensor:
    """Return values in the CPU's memory, (N, ...), on a device."""
    if not _copies_by_itself(device):
        return values.to(device)
    found = page_locked(tuple(values.shape), values.dtype).copy_(values)
    return found.to(device, non_blocking=True)


def page_locked(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return memory of this kind, which has no values yet."""
    return torch.empty(shape, dtype=dtype, pin_memory=True)


def _copies_by_itself(device: torch.device) -> bool:
    """Return whether a device has memory of its own; Apple's GPU shares that of the CPU."""
    return device.type not in ("cpu", "mps")
