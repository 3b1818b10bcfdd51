"""Networks and parts of a model that a training leaves as they are."""

from collections.abc import Sequence

from torch import nn

from gtk.core.contracts.model import Model
from gtk.core.training.running_statistics import ModuleBuffers
from gtk.core.values.errors import InvalidValue, unknown_name
from gtk.core.values.setting import setting


class Frozen:
    """Networks and parts without gradients, in eval mode in each step, whose buffers stay, too.

    Args:
        model: the model, whose parameters it takes the gradients off.
        names: of networks and parts.

    Raises:
        UnknownName: the model has neither a network nor a part of a name.
        InvalidValue: nothing is left to train.
    """

    def __init__(self, model: Model, names: Sequence[str]) -> None:
        networks, parts = model.networks(), model.parts()
        self._roots: list[nn.Module] = []
        for name in names:
            found = [modules[name] for modules in (networks, parts) if name in modules]
            if not found:
                known = list(dict.fromkeys([*networks, *parts]))
                raise unknown_name(f"network or part of {setting('freeze')}", name, known)
            self._roots += found
        for root in self._roots:
            root.requires_grad_(False)
        if names and not any(item.requires_grad for item in model.parameters()):
            raise InvalidValue(
                f"{setting('freeze', ','.join(names))} leaves nothing to train. Freeze less."
            )
        modules = dict.fromkeys(module for root in self._roots for module in root.modules())
        self._buffers = [ModuleBuffers(module) for module in modules if module._buffers]  # noqa: SLF001 - as ModuleBuffers does

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._roots)

    def begin_step(self) -> None:
        """Put them into eval mode, which the model leaves after an evaluation."""
        for root in self._roots:
            if root.training:
                root.eval()
        for module in self._buffers:
            module.keep()

    def set_back(self) -> None:
        """Set back buffers that an update has changed, such as averages of a codebook."""
        for module in self._buffers:
            module.set_back()
