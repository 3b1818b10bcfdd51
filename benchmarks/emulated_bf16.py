"""Matrix products and convolutions rounded as bf16 rounds them, at nearly the speed of fp32.

A machine that multiplies in bf16 rounds the factors, adds the products up in fp32 and rounds the
result, forward and backward. Products of two such factors are exact in fp32, so that fp32 kernels
on rounded factors compute the same but for the order of the sum. It measures what bf16 costs in
quality where a CPU lacks it, and torch's own kernels are slow.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

#: What autocast computes in bf16, of what gtk's networks call.
PRODUCTS = {
    functional.linear,
    functional.conv2d,
    functional.conv_transpose2d,
    torch.matmul,
    Tensor.matmul,
    Tensor.__matmul__,
    torch.bmm,
}


class EmulatedBf16(TorchFunctionMode):
    """Inside, autocast on the CPU rounds as a machine with bf16 does."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever torch calls
        """Compute a product of rounded factors where autocast is on, anything else as it is."""
        kwargs = kwargs or {}
        if func not in PRODUCTS or not torch.is_autocast_enabled("cpu"):
            return func(*args, **kwargs)
        with torch.autocast("cpu", enabled=False):
            named = {name: rounded(value) for name, value in kwargs.items()}
            return func(*map(rounded, args), **named).bfloat16()


def rounded(value: Any) -> Any:  # noqa: ANN401 - whatever torch calls
    """Return a tensor of numbers rounded to bf16, as fp32; its gradient is rounded likewise."""
    is_number = isinstance(value, Tensor) and value.is_floating_point()
    return value.bfloat16().float() if is_number else value
