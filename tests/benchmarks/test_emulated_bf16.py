"""The emulated bf16 rounds as torch's own does, forward and backward."""

import pytest
import torch
from torch import Tensor, nn

from benchmarks.emulated_bf16 import EmulatedBf16

LAYERS = {
    "linear": (nn.Linear(12, 7), (5, 12)),
    "conv": (nn.Conv2d(3, 4, 3, padding=1), (2, 3, 6, 6)),
    "transposed": (nn.ConvTranspose2d(3, 4, 4, 2, 1), (2, 3, 6, 6)),
}


def results(layer: nn.Module, inputs: Tensor) -> list[Tensor]:
    """Return an output under autocast, and its gradients by input and weights."""
    inputs = inputs.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        output = layer(inputs)
    wanted = [inputs, *layer.parameters()]
    return [output, *torch.autograd.grad(output.float().square().sum(), wanted)]


@pytest.mark.parametrize("name", LAYERS)
def test_it_rounds_as_torch_does(name: str) -> None:
    layer, shape = LAYERS[name]
    inputs = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    own = results(layer, inputs)
    with EmulatedBf16():
        emulated = results(layer, inputs)
        exact = layer(inputs)
    assert [item.dtype for item in emulated] == [item.dtype for item in own]
    for mine, theirs in zip(emulated, own, strict=True):
        scale = theirs.float().abs().max()
        # One unit in the last place of bf16, where the order of a sum turns a rounding.
        assert (mine.float() - theirs.float()).abs().max() <= scale * 2**-7
    assert exact.dtype == torch.float32, "without autocast nothing is rounded"
    assert not torch.equal(emulated[0].float(), exact)
