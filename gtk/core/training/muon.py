"""Muon: steps along the momentum of a matrix, made orthogonal."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer

from gtk.core.models.tf32 import without_tf32

#: Coefficients of a step towards orthogonal, from Jordan et al., and how many are taken.
_LINEAR, _CUBIC, _QUINTIC = 3.4445, -4.775, 2.0315
_STEPS = 5
#: Root mean square of an update's numbers, about that of Adam's (Liu et al., section 2.2).
_SIZE = 0.2
_EPSILON = 1e-7


class Muon(Optimizer):
    """Muon for weights of two or more dimensions, with Nesterov's momentum.

    Jordan et al., Muon: An optimizer for hidden layers in neural networks
    (https://kellerjordan.github.io/posts/muon). A convolution's weight (O, I, h, w) is a matrix
    (O, I h w), a transposed one's (I, O, h, w) a matrix (I, O h w). Updates are about as long as
    Adam's, so Adam's rates suit, and weight decay is decoupled: Liu et al., Muon is Scalable for
    LLM Training (arXiv:2502.16982), equation 4.

    Torch's own takes no convolutions, and computes in bf16, which many processors lack.

    Args:
        params: weights or groups of them.
        lr: the learning rate.
        momentum: decay of the average gradient, 0.95 in the paper.
        weight_decay: W, of which each step takes the learning rate's share of the weight.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take a step down the gradients, of the loss that `closure` computes if it is given."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        for group in self.param_groups:
            for weights in _alike(weight for weight in group["params"] if weight.grad is not None):
                self._step(weights, group)
        return loss

    def _step(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        """Change weights of one shape at once: a GPU would be done before the next is launched."""
        rate, momentum = group["lr"], group["momentum"]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        averages = [self._average(weight) for weight in weights]
        torch._foreach_lerp_(averages, gradients, 1 - momentum)
        ahead = torch._foreach_lerp(gradients, averages, momentum)  # noqa: SLF001 - no public name
        matrices = torch.stack([tensor.flatten(1) for tensor in ahead]).float()
        with without_tf32(matrices.device):
            updates = orthogonal(matrices)
        size = rate * _SIZE * math.sqrt(max(matrices.shape[1:]))
        shaped = [update.view(weights[0].shape) for update in updates]
        if group["weight_decay"]:
            torch._foreach_mul_(weights, 1 - rate * group["weight_decay"])
        torch._foreach_add_(weights, shaped, alpha=-size)

    def _average(self, weight: Tensor) -> Tensor:
        """Return the average gradient of a weight, of zeros before its first step."""
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        average: Tensor = state["momentum_buffer"]
        return average


def _alike(weights: Iterable[Tensor]) -> Iterable[list[Tensor]]:
    """Return weights of the same shape, type and device together, in their order."""
    found = defaultdict[object, list[Tensor]](list)
    for weight in weights:
        found[weight.shape, weight.dtype, weight.device].append(weight)
    return found.values()


def orthogonal(matrices: Tensor) -> Tensor:
    """Map matrices U S V^T (B, M, N) to about U V^T: singular values of 0.68 to 1.2, but tiny ones.

    The Newton-Schulz iteration of Jordan et al., five times X <- (a + b A + c A^2) X, A = X X^T.
    As every A is a polynomial of the first one, only that is computed from X, and the polynomials'
    product is applied to X at the end: a fifth of the time for (128, 2304). That needs float32 or
    better: rounded more, small eigenvalues of A become negative, and grow.
    """
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonal(matrices.mT).mT
    norms = torch.linalg.vector_norm(matrices, dim=(1, 2), keepdim=True)
    matrices = matrices / (norms + _EPSILON)
    square = matrices @ matrices.mT
    product = factor = _polynomial(square)
    for _ in range(_STEPS - 1):
        square = factor @ square @ factor
        factor = _polynomial(square)
        product = factor @ product
    return product @ matrices


def _polynomial(square: Tensor) -> Tensor:
    """Return a + b A + c A^2 of each A in (B, M, M)."""
    factor = torch.baddbmm(square, square, square, beta=_CUBIC, alpha=_QUINTIC)
    factor.diagonal(dim1=1, dim2=2).add_(_LINEAR)
    return factor
