"""The optimizers of a training: those of each part of the model."""

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from gtk.core.contracts.model import Model
from gtk.core.models.loss_networks import trained
from gtk.core.registry.train_config import OPTIMIZERS_WITH, TrainConfig
from gtk.core.storage.tensor_file import check_tensors
from gtk.core.training.muon import Muon
from gtk.core.values.by_part import ByPart, PartNumber, of_part
from gtk.core.values.errors import InvalidValue, PluginError
from gtk.core.values.setting import setting

#: Torch's errors for a graph that was built before an update, or that an update has used.
_TOO_EARLY = ("modified by an inplace operation", "backward through the graph a second time")
#: Modules whose parameters have no weight decay; those of other normalizations are vectors.
_UNDECAYED = (nn.Embedding, nn.EmbeddingBag, nn.LayerNorm, nn.RMSNorm)
#: The number of faults in parts that a message lists.
_LISTED = 3


class Optimizers:
    """The optimizers of each part of a model on its device: one, or with Muon two.

    The networks of a loss that are trained are parts, too.

    Attributes:
        parts: the parts' names.
        rates: the parts' learning rates by name, kept up to date.

    Raises:
        InvalidValue: a setting has a number for a part that the model lacks, or none for one.
        PluginError: the model's parts share or leave out parameters.
    """

    def __init__(
        self,
        model: Model,
        config: TrainConfig,
        networks: Mapping[str, nn.Module] = MappingProxyType({}),
    ) -> None:
        networks = trained(networks)
        self._parameters = part_parameters(model) | {
            name: [item for item in network.parameters() if item.requires_grad]
            for name, network in networks.items()
        }
        self._names: dict[Tensor, str] = {
            item: name
            for module in (model, *networks.values())
            for name, item in module.named_parameters()
        }
        self._config = config
        self.parts = list(self._parameters)
        for name in ("learning_rate", "weight_decay", *OPTIMIZERS_WITH):
            _check_parts(name, getattr(config, name), self.parts)
        self.rates = {part: of_part(config.learning_rate, part) for part in self.parts}
        self._undecayed = _undecayed([*model.parts().values(), *networks.values()])
        self._optimizers = {
            part: _make(config, part, parameters, self._undecayed)
            for part, parameters in self._parameters.items()
        }

    def set_learning_rate(self, rate: PartNumber) -> None:
        """Set the learning rate of every part."""
        for part, optimizers in self._optimizers.items():
            own = self.rates[part] = of_part(rate, part)
            for group in (group for optimizer in optimizers for group in optimizer.param_groups):
                group["lr"] = own

    def frozen(self, part: str | None) -> bool:
        """Whether no parameter of a part takes a gradient, so that there is no step to take."""
        parameters = self._parameters.get(part or "", ())
        return bool(parameters) and not any(item.requires_grad for item in parameters)

    def step(self, part: str, loss: Tensor) -> None:
        """Take one step of a part, but for its frozen parameters, down the gradient of a loss.

        Raises:
            PluginError: the loss was computed before weights that it needs were changed.
        """
        self.clear_gradient(part)
        self.add_gradient(part, loss)
        self.descend(part)

    def clear_gradient(self, part: str) -> None:
        """Forget the gradient of a part."""
        for parameter in self._trained(part):
            parameter.grad = None  # as zero_grad does, 30 microseconds faster

    def add_gradient(self, part: str, loss: Tensor) -> None:
        """Add the gradient of a loss to that of a part.

        Raises:
            PluginError: the loss was computed before weights that it needs were changed.
        """
        parameters = self._trained(part)
        # With several parts, compute gradients only for the one that steps.
        inputs = parameters if len(self.parts) > 1 else None
        try:
            loss.backward(inputs=inputs)  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            if not any(words in str(error) for words in _TOO_EARLY):
                raise
            raise PluginError(
                f"the loss of part {part!r} was computed before the update that was yielded first "
                "changed the weights: compute each loss after the yield before it."
            ) from error

    def descend(self, part: str) -> None:
        """Take one step of a part down its gradient.

        The gradient of all the part's parameters is clipped to the norm `clip_norm`: Pascanu,
        Mikolov and Bengio (arXiv:1211.5063), algorithm 1.
        """
        parameters = self._trained(part)
        if self._config.clip_norm:
            clip_grad_norm_(parameters, self._config.clip_norm)
        for optimizer in self._optimizers[part]:
            optimizer.step()
        # A fused step does not mark the weights as changed, so that a loss computed before the step
        # would get a wrong gradient without an error.
        increment_version(parameters)

    def _trained(self, part: str) -> list[nn.Parameter]:
        return [item for item in self._parameters[part] if item.requires_grad]

    @property
    def keeps_state(self) -> bool:
        """Whether every step leaves something to restore; plain gradient descent does not."""
        firsts = ((part, parameters[0]) for part, parameters in self._parameters.items())
        return all(self._own_state(part, first) for part, first in firsts)

    def state(self) -> dict[str, Tensor]:
        """Return their tensors by "part/parameter/key", independent of torch's own order."""
        return {
            f"{part}/{self._names[parameter]}/{key}": value
            for part, optimizers in self._optimizers.items()
            for optimizer in optimizers
            for parameter, state in optimizer.state.items()
            for key, value in state.items()
            if value is not None
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned.

        Raises:
            InvalidValue: a tensor is not as this model's optimizers have it.
        """
        begun = {path.rpartition("/")[0] for path in tensors}
        expected: dict[str, Tensor] = {}
        places: dict[str, dict[str, Tensor]] = {}
        for part, optimizer, parameter in self._owned():
            owner = f"{part}/{self._names[parameter]}"
            if owner not in begun:  # a parameter without a gradient so far has no state
                continue
            for key, value in self._own_state(part, parameter).items():
                expected[f"{owner}/{key}"] = parameter if value.ndim else value
                places[f"{owner}/{key}"] = optimizer.state[parameter]
        check_tensors(tensors, expected)
        for path, value in tensors.items():
            key = path.rpartition("/")[2]
            if key == "step" and not 1 <= value.item() < math.inf:
                raise InvalidValue(f"{path!r} is {value.item()}")
            # With the device and the strides that the optimizer gives it.
            places[path][key] = torch.empty_like(expected[path]).copy_(value)

    def _owned(self) -> Iterator[tuple[str, Optimizer, nn.Parameter]]:
        """Yield each parameter, with its part and its optimizer."""
        for part, optimizers in self._optimizers.items():
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    yield from ((part, optimizer, parameter) for parameter in group["params"])

    def _own_state(self, part: str, like: nn.Parameter) -> dict[str, Tensor]:
        """Return the state of a small parameter that is otherwise like one of a part."""
        parameter = nn.Parameter(like.new_zeros([min(side, 2) for side in like.shape]))
        parameter.grad = torch.zeros_like(parameter)
        undecayed = {parameter} if like in self._undecayed else set()
        [optimizer] = _make(self._config, part, [parameter], undecayed)
        optimizer.step()
        state = optimizer.state[parameter]
        return {key: value for key, value in state.items() if value is not None}


def _check_parts(name: str, value: PartNumber, parts: list[str]) -> None:
    """Check that the numbers of a setting are for the model's parts."""
    if not isinstance(value, ByPart):
        return
    unknown = [part for part in value if part not in parts]
    missing = [part for part in parts if part not in value]
    if unknown or missing:
        fault = f"has no part {unknown[0]!r}" if unknown else f"also has a part {missing[0]!r}"
        raise InvalidValue(
            f"{setting(name, value)}: the model {fault}. Give one number, or one for each of its "
            f"parts: {', '.join(parts)}"
        )


def _make(
    config: TrainConfig, part: str, parameters: list[nn.Parameter], undecayed: set[nn.Parameter]
) -> list[Optimizer]:
    """Return the optimizers of a part: fused where torch has that, as it is faster."""
    rate, decay = of_part(config.learning_rate, part), of_part(config.weight_decay, part)
    groups = _groups(parameters, decay, undecayed)
    betas = of_part(config.adam_beta1, part), of_part(config.adam_beta2, part)
    epsilon, momentum = of_part(config.adam_epsilon, part), of_part(config.momentum, part)
    match config.optimizer:
        case "adam":
            return [torch.optim.Adam(groups, lr=rate, betas=betas, eps=epsilon, fused=True)]
        case "adamw":
            return [torch.optim.AdamW(groups, lr=rate, betas=betas, eps=epsilon, fused=True)]
        case "radam":
            return [torch.optim.RAdam(groups, lr=rate, betas=betas, eps=epsilon, foreach=True)]
        case "sgd":
            return [torch.optim.SGD(groups, lr=rate, momentum=momentum, fused=True)]
        case "rmsprop":
            return [torch.optim.RMSprop(groups, lr=rate, momentum=momentum, foreach=True)]
        case "muon":
            matrices = [item for item in parameters if _is_matrix(item, undecayed)]
            others = [item for item in parameters if not _is_matrix(item, undecayed)]
            rest = _groups(others, decay, undecayed)
            adamw = partial(torch.optim.AdamW, fused=True)
            return [
                *([Muon(matrices, rate, weight_decay=decay)] if matrices else []),
                *([adamw(rest, lr=rate, betas=betas, eps=epsilon)] if others else []),
            ]


def _groups(
    parameters: list[nn.Parameter], decay: float, undecayed: set[nn.Parameter]
) -> list[dict[str, Any]]:
    """Return the groups of parameters with and without weight decay."""
    if not decay:
        return [{"params": parameters, "weight_decay": decay}]
    decayed = [item for item in parameters if item not in undecayed]
    others = [item for item in parameters if item in undecayed]
    split = (decayed, decay), (others, 0.0)
    return [{"params": some, "weight_decay": own} for some, own in split if some]


def _is_matrix(parameter: nn.Parameter, undecayed: set[nn.Parameter]) -> bool:
    """Return whether Muon takes a parameter: not an embedding, nor numbers along one axis alone."""
    shape = parameter.shape
    wide = len(shape) > 1 and shape[0] > 1 and math.prod(shape[1:]) > 1
    return wide and parameter not in undecayed


def _undecayed(parts: Iterable[nn.Module]) -> set[nn.Parameter]:
    """Return the parameters without weight decay: biases, of normalizations, and embeddings."""
    modules = [module for part in parts for module in part.modules()]
    return {
        parameter
        for module in modules
        for parameter in module.parameters()  # also of parametrizations, such as a spectral norm
        if parameter.ndim <= 1 or isinstance(module, _UNDECAYED)
    }


def part_parameters(model: Model) -> dict[str, list[nn.Parameter]]:
    """Return the parameters of each of the model's parts.

    Raises:
        PluginError: a part is empty, a parameter is in no part or in two, or a part has a
            parameter that the model lacks.
    """
    parts = {name: list(part.parameters()) for name, part in model.parts().items()}
    owners: dict[nn.Parameter, list[str]] = {}
    for part, parameters in parts.items():
        for parameter in parameters:
            owners.setdefault(parameter, []).append(part)
    own = {parameter: name for name, parameter in model.named_parameters()}
    empty = [f"part {part!r} is empty" for part, parameters in parts.items() if not parameters]
    missing = [f"{own[item]!r} is in no part" for item in own if item not in owners]
    double = [
        f"{own.get(item, 'a parameter')!r} is in parts {' and '.join(map(repr, names))}"
        for item, names in owners.items()
        if len(names) > 1
    ]
    foreign = [
        f"part {names[0]!r} has a parameter that the model lacks"
        for item, names in owners.items()
        if item not in own
    ]
    faults = [*empty, *missing, *double, *foreign]
    if faults:
        more = f" (and {len(faults) - _LISTED} more)" if len(faults) > _LISTED else ""
        raise PluginError(
            f"the parts of {type(model).__name__} ({', '.join(parts)}) must hold each parameter of "
            f"the model once: {', '.join(faults[:_LISTED])}{more}. Correct parts()."
        )
    return parts
