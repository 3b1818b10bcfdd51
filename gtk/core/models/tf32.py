"""TF32, in which a GPU rounds the factors of fp32 products to 10 bits."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def without_tf32(device: torch.device) -> Iterator[None]:
    """Compute fp32 in fp32: by itself torch allows TF32 in convolutions on a GPU.

    The older `allow_tf32` cannot even be read in a process that has set `fp32_precision`.
    """
    if device.type != "cuda":
        yield
        return
    cudnn: Any = torch.backends.cudnn
    operations = (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)
    before = [operation.fp32_precision for operation in operations]
    for operation in operations:
        operation.fp32_precision = "ieee"
    try:
        yield
    finally:
        for operation, precision in zip(operations, before, strict=True):
            operation.fp32_precision = precision
