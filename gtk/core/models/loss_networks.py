"""Networks that a loss brings: made from the training's seed, and used beside the model's."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from gtk.core.contracts.loss import Loss
from gtk.core.contracts.model import Model
from gtk.core.registry.installed import describe
from gtk.core.values.errors import PluginError
from gtk.core.values.seeding import derive_seed


def loss_networks(loss: Loss, model: Model, seed: int) -> dict[str, nn.Module]:
    """Return a loss's new networks for a model, in train mode where they are trained.

    Weights are drawn from (seed, "networks"); the state of the global generator is restored.

    Raises:
        PluginError: they are not modules by name, one has the name of a network or part of the
            model, or two of them, or one and the model, share a tensor.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad(), eval_mode(model):
        torch.default_generator.manual_seed(derive_seed(seed, "networks"))
        networks: Any = loss.networks(model)
    fault = _fault(networks, model)
    if fault:
        raise PluginError(f"networks() of {describe(loss)} returns {fault}.")
    return {name: network.train(is_trained(network)) for name, network in networks.items()}


def is_trained(network: nn.Module) -> bool:
    """Return whether any parameter of a network takes a gradient."""
    return any(parameter.requires_grad for parameter in network.parameters())


def trained(networks: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Return the networks that are parts, with an optimizer each."""
    return {name: network for name, network in networks.items() if is_trained(network)}


def network_state(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Return the weights and buffers of all networks by "network.name"."""
    return {
        f"{network}.{name}": value
        for network, module in networks.items()
        for name, value in module.state_dict().items()
    }


@contextmanager
def eval_mode(*modules: nn.Module) -> Iterator[None]:
    """Put modules into eval mode, and restore the mode of each at the end."""
    modes = [module.training for module in modules]
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.train(mode)


def _fault(networks: object, model: Model) -> str:
    """Return what is wrong with a loss's networks, "" if nothing is."""
    if not isinstance(networks, dict):
        return f"{type(networks).__name__}: return a dict of modules by name"
    owners = dict.fromkeys(_tensors(model), "the model")
    for name, network in networks.items():
        if not (isinstance(name, str) and name.isidentifier()):
            return f"a network called {name!r:.40}: name it by letters, digits and '_'"
        if not isinstance(network, nn.Module):
            return f"{type(network).__name__} as {name!r}: make it a torch.nn.Module"
        if name in model.parts() or name in model.networks():
            return f"{name!r}, which {type(model).__name__} has, too: choose another name"
        if not all(isinstance(value, Tensor) for value in network.state_dict().values()):
            return f"{name!r} with a state that is not of tensors: keep it in buffers"
        for tensor in _tensors(network):
            if is_lazy(tensor):
                return f"{name!r} with a lazy layer: give all layers their sizes"
            if owners.setdefault(tensor, repr(name)) != repr(name):
                return f"{name!r}, which shares a tensor with {owners[tensor]}: make a new one"
    return ""


def _tensors(module: nn.Module) -> list[Tensor]:
    """Return all parameters and buffers of a module."""
    return [*module.parameters(), *module.buffers()]
