"""The optimizers of a training: an Adam for each part of the model."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.autograd.graph import increment_version
from torch.nn.utils import clip_grad_norm_

from gtk.core.contracts.model import Model
from gtk.core.registry.train_config import TrainConfig
from gtk.core.training.parts import part_parameters
from gtk.core.values.errors import PluginError

#: What torch says of a graph that was made before an update, or that one has used already.
_TOO_EARLY = ("modified by an inplace operation", "backward through the graph a second time")


class Optimizers:
    """Adam (Kingma and Ba, arXiv:1412.6980), one for each part of a model.

    Args:
        model: on its device.
        config: learning rate, decays and the longest gradient.

    Attributes:
        parts: the parts' names.

    Raises:
        PluginError: the model's parts share or leave out parameters.
    """

    def __init__(self, model: Model, config: TrainConfig) -> None:
        self._parameters = part_parameters(model)
        self._names: dict[Tensor, str] = {item: name for name, item in model.named_parameters()}
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
        """Have every part step with this rate from now on."""
        for adam in self._adams.values():
            for group in adam.param_groups:
                group["lr"] = rate

    def step(self, part: str, loss: Tensor) -> None:
        """Take one step of a part down the gradient of a loss.

        A gradient longer than `clip_norm` is shortened to it, over all the part's parameters at
        once: Pascanu, Mikolov and Bengio (arXiv:1211.5063), algorithm 1.

        Raises:
            PluginError: the loss was computed before weights that it needs were changed.
        """
        parameters = self._parameters[part]
        for parameter in parameters:
            parameter.grad = None  # what zero_grad does, without its 30 microseconds of care
        # Of several parts only the one that steps gets gradients: no toggling, less work.
        inputs = parameters if len(self.parts) > 1 else None
        try:
            loss.backward(inputs=inputs)  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            if not any(words in str(error) for words in _TOO_EARLY):
                raise
            raise PluginError(
                f"the loss of part '{part}' was computed before the update that was yielded first "
                "changed the weights: compute each loss after the yield before it."
            ) from error
        if self._clip_norm:
            clip_grad_norm_(parameters, self._clip_norm)
        self._adams[part].step()
        # Fused Adam does not say that it has changed weights: a loss computed with those before
        # would get a wrong gradient without an error.
        increment_version(parameters)

    def state(self) -> dict[str, Tensor]:
        """Return their tensors as "part/parameter/key", whatever order Adam keeps them in."""
        return {
            f"{part}/{self._names[parameter]}/{key}": value
            for part, adam in self._adams.items()
            for parameter, state in adam.state.items()
            for key, value in state.items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `state` returned."""
        parameters = {name: parameter for parameter, name in self._names.items()}
        for path, value in tensors.items():
            part, _, rest = path.partition("/")
            name, _, key = rest.rpartition("/")
            parameter = parameters[name]
            self._adams[part].state[parameter][key] = value.to(parameter.device)
