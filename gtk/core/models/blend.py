"""A model under a condition between two: what lies between classes, which are whole numbers."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from gtk.core.contracts.conditioner import ConditioningLayer
from gtk.core.contracts.embedding import ConditionEmbedding


@contextmanager
def blended(model: nn.Module, end: Tensor, share: Tensor) -> Iterator[None]:
    """Have every layer that takes the condition answer between the one it is given and `end`.

    What a layer makes of the condition it is given and what it makes of `end` are mixed linearly.
    In gtk's own conditioners this is the same as a code between the two classes' codes: one-hot
    vectors, embeddings, scales and shifts.

    Args:
        model: in eval mode.
        end: the other condition of each image in the batch, as the model takes it: (B,) or (B, n).
        share: how much of it: (B,), 0 for none, 1 for all.
    """

    def mix(layer: nn.Module, inputs: tuple[Tensor, ...], given: Tensor) -> Tensor:
        other = layer.forward(*inputs[:-1], end)
        return torch.lerp(given, other, share.reshape(-1, *[1] * (given.dim() - 1)))

    with ExitStack() as hooks:
        for layer in _outermost(model):
            hooks.callback(layer.register_forward_hook(mix).remove)
        yield


def _outermost(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers that take a condition; not those within them, which would mix twice."""
    for child in module.children():
        if isinstance(child, ConditionEmbedding) or (
            isinstance(child, ConditioningLayer) and child.acts
        ):
            yield child
        else:
            yield from _outermost(child)
