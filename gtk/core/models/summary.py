"""A summary of a model: its layers in the order they run, with shapes and parameter counts."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.conditioner import PassThrough
from gtk.core.contracts.loss import Context, Loss
from gtk.core.contracts.model import Model
from gtk.core.contracts.noise import Noise
from gtk.core.models.loss_networks import eval_mode
from gtk.core.values.dataset import DataSpec


@dataclass(frozen=True)
class Layer:
    """A layer of a network: its class, output shape without the batch, trainable parameters."""

    network: str
    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int


def parameter_count(module: nn.Module) -> int:
    """Return the number of a module's trainable parameters."""
    return sum(item.numel() for item in module.parameters() if item.requires_grad)


def network_sizes(networks: Mapping[str, nn.Module]) -> dict[str, int]:
    """Return the number of parameters of each network, of frozen ones as well."""
    return {
        name: sum(item.numel() for item in network.parameters())
        for name, network in networks.items()
    }


def summarize(
    model: Model,
    loss: Loss,
    data_spec: DataSpec,
    networks: Mapping[str, nn.Module] = MappingProxyType({}),
) -> list[Layer]:
    """Take one step of the loss on blank images, two a batch, and list the layers that run.

    `networks` are those that the loss brings.
    """
    layers: dict[Layer, None] = {}  # in the order they run

    def note(
        module: nn.Module, _inputs: object, output: object, *, network: str, name: str
    ) -> None:
        shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()
        kind = type_before_parametrizations(module).__name__
        layer = Layer(network, name, kind, shape, parameter_count(module))
        layers.setdefault(layer)  # a network may run more than once in a step

    device = next(model.parameters()).device
    count = 2 * loss.batches
    condition = None
    if data_spec.condition is not None:
        examples = data_spec.condition.examples()
        condition = torch.from_numpy(examples[[0] * count]).to(device)
    batch = Batch(torch.zeros(count, *data_spec.image_shape, device=device), condition)
    step = torch.zeros((), dtype=torch.int64, device=device)
    rates = dict.fromkeys([*model.parts(), *networks], 1e-3)
    context = Context(Noise(device), step, 1, networks, rates)
    with eval_mode(model, *networks.values()), ExitStack() as hooks:
        for network, root in (model.networks() | dict(networks)).items():
            for name, module in layers_of(root):
                hook = partial(note, network=network, name=name)
                hooks.callback(module.register_forward_hook(hook).remove)
        for _ in loss.updates(model, batch, context):
            pass
    return list(layers)


def layers_of(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield each module that computes something, with its name, and not what it consists of.

    What torch computes a layer's weight with belongs to the layer.
    """
    for name, module in network.named_modules():
        inner = {child for child, _ in module.named_children()} - {"parametrizations"}
        within = "parametrizations" in name.split(".")
        if not inner and not within and not isinstance(module, PassThrough):
            yield name, module
