"""The parts of a model, each trained by an optimizer of its own."""

from torch import nn

from gtk.core.contracts.model import Model
from gtk.core.values.errors import PluginError

#: How many faults a message lists.
LISTED = 3


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
        more = f" (and {len(faults) - LISTED} more)" if len(faults) > LISTED else ""
        raise PluginError(
            f"the parts of {type(model).__name__} ({', '.join(parts)}) must hold each parameter of "
            f"the model once: {', '.join(faults[:LISTED])}{more}. Correct parts()."
        )
    return parts
