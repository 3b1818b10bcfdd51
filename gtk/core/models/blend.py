"""Blend two conditions in a model, to draw what lies between two classes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from gtk.core.contracts.conditioner import ConditioningLayer
from gtk.core.contracts.embedding import ConditionEmbedding


@contextmanager
def blended(model: nn.Module, end: Tensor, share: Tensor) -> Iterator[None]:
    """Have every layer that takes the condition interpolate to what it computes for `end`.

    The outputs for the given condition and for `end` are mixed linearly. In gtk's own conditioners
    this equals mixing the codes of the two classes: one-hot vectors, embeddings, scales and shifts.
    `end` is a condition for each image, (B,) or (B, n), and `share` is its share, (B,), in 0..1.
    """

    def mix(layer: nn.Module, inputs: tuple[Tensor, ...], given: Tensor) -> Tensor:
        other = layer.forward(*inputs[:-1], end)
        return torch.lerp(given, other, share.reshape(-1, *[1] * (given.dim() - 1)))

    with ExitStack() as hooks:
        for layer in _outermost(model):
            hooks.callback(layer.register_forward_hook(mix).remove)
        yield


def _outermost(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers that take a condition, without those inside them, which would mix twice."""
    for child in module.children():
        if isinstance(child, ConditionEmbedding) or (
            isinstance(child, ConditioningLayer) and child.acts
        ):
            yield child
        else:
            yield from _outermost(child)
