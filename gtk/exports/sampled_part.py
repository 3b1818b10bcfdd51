"""The part of a model that a sampler makes: its whole draw, from noise to images."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from gtk.core.contracts.iteration import Iteration
from gtk.core.contracts.model import ExportPart, Model, Sampling
from gtk.core.models.build import build_sampler
from gtk.core.settings.choice import SamplerChoice
from gtk.core.storage.run import Run
from gtk.core.values.errors import InvalidValue
from gtk.core.values.value import Value

#: The name of the part, and the keys of a manifest's "sampler" that are not its options.
NAME, KEYS = "sampler", ("package", "version", "name")


def sampled_part(choice: SamplerChoice, model: Model) -> ExportPart | None:
    """Return a part that draws as a sampler does; None where that is the model's own `sample`.

    Raises:
        InvalidValue: the sampler is not for this model, or takes noise that files do not hold.
    """
    plugin, _ = choice
    sampler = build_sampler(*choice, model)
    module = sampler.module()
    if isinstance(module, Sampling):
        return None
    others = [name for name in sampler.noise if name != "z"]
    if others:
        raise InvalidValue(
            f"sampler {plugin.spec.name!r} cannot be exported: it draws {', '.join(others)} "
            "besides z, and files take z alone"
        )
    inputs: dict[str, Value] = {"z": sampler.noise["z"]}
    if model.condition is not None:
        inputs[model.condition.port] = model.condition

    def reference(again: Model, *given: Tensor) -> Tensor:
        images: Tensor = _Drawn(build_sampler(*choice, again).module())(*given)
        return images

    drawn = module if isinstance(module, Iteration) else _Drawn(module)
    return ExportPart(drawn, inputs, ("image",), reference)


class _Drawn(nn.Module):
    """A sampler's module with a condition or without."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map noise (B, *shape) and a condition to images (B, C, H, W) in 0..1."""
        images: Tensor = self.module(z, condition=condition)
        return images


def sampler_of(table: Mapping[str, Any], run: Run) -> SamplerChoice:
    """Return the sampler that a file's manifest describes.

    Raises:
        UnknownName: it is not installed.
    """
    options = {key: value for key, value in table.items() if key not in KEYS}
    return run.settings.sampler_choice(f"{table['package']}/{table['name']}", options)
