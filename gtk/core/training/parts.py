"""The parts of a model, each trained by an optimizer of its own."""

from torch import nn

from gtk.core.contracts.model import Model
from gtk.core.values.errors import PluginError


def part_parameters(model: Model) -> dict[str, list[nn.Parameter]]:
    """Return the parameters of each of the model's parts.

    Raises:
        PluginError: the parts are not disjoint and complete, or one is empty.
    """
    parts = {name: list(part.parameters()) for name, part in model.parts().items()}
    counted = [parameter for parameters in parts.values() for parameter in parameters]
    empty = [name for name, parameters in parts.items() if not parameters]
    if empty or len(counted) != len(set(counted)) or set(counted) != set(model.parameters()):
        raise PluginError(
            f"the parts of {type(model).__name__} ({', '.join(parts)}) must hold each parameter of "
            "the model once, and none may be empty."
        )
    return parts
