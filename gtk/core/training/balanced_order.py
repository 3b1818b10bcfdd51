"""An order of training images in which all classes are equally frequent."""

import torch
from torch import Tensor


def balanced_order(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Draw as many rows as there are, of each class that occurs equally many: (N,), int64.

    What does not divide equally goes to some of the classes, chosen anew each time. All images of a
    class are drawn before one of them is drawn again.

    Args:
        labels: the class of each row, (N,), int64.
        generator: on the CPU.
    """
    counts = labels.bincount()
    counts = counts[counts > 0]
    each, rest = divmod(len(labels), len(counts))
    wanted = torch.full_like(counts, each)
    wanted[torch.randperm(len(counts), generator=generator)[:rest]] += 1
    rows = torch.split(labels.argsort(stable=True), counts.tolist())
    drawn = [
        _cycled(some, count, generator) for some, count in zip(rows, wanted.tolist(), strict=True)
    ]
    return torch.cat(drawn)[torch.randperm(len(labels), generator=generator)]


def _cycled(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return `count` of the rows: all in random order, then all in another order, and so on."""
    rounds = -(-count // len(rows))
    order = torch.rand(rounds, len(rows), generator=generator).argsort(1)
    return rows[order.flatten()[:count]]
