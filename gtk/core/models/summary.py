"""What a model is made of: its layers in the order they run, with shapes and parameter counts."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.conditioner import PassThrough
from gtk.core.contracts.loss import Context, Loss
from gtk.core.contracts.model import Model
from gtk.core.contracts.noise import Noise
from gtk.core.values.dataset import DataSpec


@dataclass(frozen=True)
class Layer:
    """One layer of a network.

    Attributes:
        network: the name of the network in `Model.networks()`.
        name: the layer's name in it.
        kind: its class.
        shape: of what it gives, without the batch.
        parameters: how many trainable numbers it holds.
    """

    network: str
    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int


def parameter_count(module: nn.Module) -> int:
    """Return how many trainable numbers a module holds."""
    return sum(item.numel() for item in module.parameters() if item.requires_grad)


def summarize(model: Model, loss: Loss, data_spec: DataSpec) -> list[Layer]:
    """Play one step of the loss on two blank images a batch and note what every layer gives."""
    layers: list[Layer] = []
    hooks = []

    def note(network: str, name: str, module: nn.Module) -> None:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()
            layer = Layer(network, name, type(module).__name__, shape, parameter_count(module))
            if layer not in layers:  # a network may run more than once in a step
                layers.append(layer)

        hooks.append(module.register_forward_hook(hook))

    for network, root in model.networks().items():
        for name, module in root.named_modules():
            if not list(module.children()) and not isinstance(module, PassThrough):
                note(network, name, module)
    device = next(model.parameters()).device
    count = 2 * loss.batches
    condition = None
    if data_spec.condition is not None:
        examples = data_spec.condition.examples()
        condition = torch.from_numpy(examples[[0] * count]).to(device)
    batch = Batch(torch.zeros(count, *data_spec.image_shape, device=device), condition)
    context = Context(Noise(device), torch.zeros((), dtype=torch.int64, device=device), 1)
    training = model.training
    model.eval()
    for _ in loss.updates(model, batch, context):
        pass
    model.train(training)
    for hook in hooks:
        hook.remove()
    return layers
