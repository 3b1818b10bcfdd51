"""TF32, in which a GPU rounds the factors of fp32 products to 10 bits."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def without_tf32(device: torch.device) -> Iterator[None]:
    """Compute fp32 in fp32: by itself torch allows TF32 in convolutions on a GPU."""
    if device.type != "cuda":
        yield
        return
    flags: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [flag.allow_tf32 for flag in flags]
    for flag in flags:
        flag.allow_tf32 = False
    try:
        yield
    finally:
        for flag, allowed in zip(flags, before, strict=True):
            flag.allow_tf32 = allowed
