"""Layers that start at zero."""

from typing import TypeVar

from torch import nn

LayerType = TypeVar("LayerType", nn.Linear, nn.Conv2d)


def zeroed(layer: LayerType) -> LayerType:
    """Return a layer with weights and biases of 0, so that what it ends adds nothing at first."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
