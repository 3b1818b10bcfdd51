"""The tensors of a module or a run, compared before and after a change."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from gtk.core.storage.run import Run

#: How many names a message lists.
LISTED = 3


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """Return copies of all parameters and buffers by name, with non-persistent buffers."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def last_weights(run: Run) -> bytes:
    """Return the weights file of a run's last checkpoint."""
    folder = run.checkpoints.folder(run.checkpoints.steps()[-1])
    return (folder / "model.safetensors").read_bytes()


def differing(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> list[str]:
    """Return the names whose tensors differ in a bit or are in only one of the two."""
    return [
        name
        for name in {**first, **second}
        if name not in first or name not in second or not same_bits(first[name], second[name])
    ]


def same_bits(first: Tensor, second: Tensor) -> bool:
    """Return whether two tensors are equal in type, shape and bits; NaN equals itself."""
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    return torch.equal(
        first.contiguous().view(-1).view(torch.uint8),
        second.contiguous().view(-1).view(torch.uint8),
    )


def listed(names: Sequence[str]) -> str:
    """Return the first names and the number of the others."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
