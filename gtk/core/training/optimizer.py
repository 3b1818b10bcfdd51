"""The optimizers of a training: an Adam for each part of the model."""

import math
from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version
from torch.nn.utils import clip_grad_norm_

from gtk.core.contracts.model import Model
from gtk.core.models.loss_networks import trained
from gtk.core.registry.train_config import TrainConfig
from gtk.core.storage.tensor_file import check_tensors
from gtk.core.values.errors import InvalidValue, PluginError

#: Torch's errors for a graph that was built before an update, or that an update has used.
_TOO_EARLY = ("modified by an inplace operation", "backward through the graph a second time")
#: Like fused Adam's number of steps.
_COUNTER = torch.zeros((), dtype=torch.float32)
#: The number of faults in parts that a message lists.
_LISTED = 3


class Optimizers:
    """Adam (Kingma and Ba, arXiv:1412.6980), one for each part of a model on its device.

    The networks of a loss that are trained are parts, too.

    Attributes:
        parts: the parts' names.

    Raises:
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
        self._clip_norm = config.clip_norm
        self._adams = {
            part: torch.optim.Adam(
                parameters,
                lr=config.learning_rate,
                betas=(config.adam_beta1, config.adam_beta2),
                fused=True,
            )
            for part, parameters in self._parameters.items()
        }
        self.parts = list(self._adams)

    def set_learning_rate(self, rate: float) -> None:
        """Set the learning rate of every part."""
        for adam in self._adams.values():
            for group in adam.param_groups:
                group["lr"] = rate

    def step(self, part: str, loss: Tensor) -> None:
        """Take one step of a part down the gradient of a loss.

        The gradient of all the part's parameters is clipped to the norm `clip_norm`: Pascanu,
        Mikolov and Bengio (arXiv:1211.5063), algorithm 1.

        Raises:
            PluginError: the loss was computed before weights that it needs were changed.
        """
        parameters = self._parameters[part]
        for parameter in parameters:
            parameter.grad = None  # as zero_grad does, 30 microseconds faster
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
        if self._clip_norm:
            clip_grad_norm_(parameters, self._clip_norm)
        self._adams[part].step()
        # Fused Adam does not mark the weights as changed, so that a loss computed before the step
        # would get a wrong gradient without an error.
        increment_version(parameters)

    def state(self) -> dict[str, Tensor]:
        """Return their tensors by "part/parameter/key", independent of Adam's own order."""
        return {
            f"{part}/{self._names[parameter]}/{key}": value
            for part, adam in self._adams.items()
            for parameter, state in adam.state.items()
            for key, value in state.items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned.

        Raises:
            InvalidValue: a tensor is not as this model's Adam has it.
        """
        owners = {
            f"{part}/{self._names[parameter]}": (adam, parameter)
            for part, adam in self._adams.items()
            for parameter in self._parameters[part]
        }
        begun = {path.rpartition("/")[0] for path in tensors}
        expected: dict[str, Tensor] = {}
        for owner, (_, parameter) in owners.items():
            if owner in begun:  # a parameter without a gradient so far has no state
                moments = {f"{owner}/{key}": parameter for key in ("exp_avg", "exp_avg_sq")}
                expected |= {f"{owner}/step": _COUNTER, **moments}
        check_tensors(tensors, expected)
        for path, value in tensors.items():
            owner, _, key = path.rpartition("/")
            adam, parameter = owners[owner]
            if key == "step" and not 1 <= value.item() < math.inf:
                raise InvalidValue(f"{path!r} is {value.item()}")
            adam.state[parameter][key] = value.to(parameter.device)


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
