"""The part of a model that a sampler makes: its whole draw, from noise to images."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from gtk.core.contracts.iteration import Iteration
from gtk.core.contracts.model import ExportPart, Model, Sampling
from gtk.core.models.build import build_sampler
from gtk.core.settings.choice import SamplerChoice
from gtk.core.storage.fitted_sampler import run_sampler
from gtk.core.storage.run import Run
from gtk.core.values.errors import InvalidValue, PluginError
from gtk.core.values.noise import NoiseSpec
from gtk.core.values.value import ports
from gtk.exports.runtime.manifest_checks import MOST_PORTS, MOST_VALUES

#: The name of the part, and the keys of a manifest's "sampler" that are not its options.
NAME, KEYS = "sampler", ("package", "version", "name")


def sampled_part(run: Run, choice: SamplerChoice, model: Model) -> ExportPart | None:
    """Return a part that draws as a sampler does; None where that is the model's own `sample`.

    Raises:
        InvalidValue: the sampler is not for this model, or draws more noise than a file takes.
        PluginError: its noise has a name that is taken.
    """
    plugin, _ = choice
    sampler = run_sampler(run, choice, model)
    module = sampler.module()
    if isinstance(module, Sampling):
        return None
    _check_noise(plugin.spec.name, sampler.noise)
    inputs = {**sampler.noise, **ports(model.condition)}
    if len(inputs) == len(sampler.noise) and model.condition is not None:
        raise PluginError(
            f"sampler {plugin.spec.name!r} cannot be exported: its noise and the condition are "
            f"both called {model.condition.port!r}. Give the noise another name"
        )
    count = len(sampler.noise)
    drawn = module if isinstance(module, Iteration) else _Drawn(module, count)
    return ExportPart(drawn, inputs, ("image",), SamplerReference(choice, sampler.fitted, count))


@dataclass(frozen=True)
class SamplerReference:
    """What a sampler draws from a model that was loaded again.

    Attributes:
        choice: the sampler.
        fitted: what it has learned.
        count: of the tensors of noise.
    """

    choice: SamplerChoice
    fitted: Mapping[str, Tensor]
    count: int

    def module(self, model: Model) -> nn.Module:
        """Return the sampler's module, on the device of the model."""
        sampler = build_sampler(*self.choice, model)
        device = next(model.parameters()).device
        sampler.fitted = {name: tensor.to(device) for name, tensor in self.fitted.items()}
        return _Drawn(sampler.module(), self.count)

    def __call__(self, model: Model, *given: Tensor) -> Tensor:
        """Return the images (B, C, H, W) of noise, and of a condition if there is one."""
        images: Tensor = self.module(model)(*given)
        return images


def _check_noise(name: str, noise: Mapping[str, NoiseSpec]) -> None:
    """Refuse more noise than the runtime would read.

    Raises:
        InvalidValue: there is more of it than a file takes.
    """
    size = sum(math.prod(spec.shape) for spec in noise.values())
    if size > MOST_VALUES or len(noise) > MOST_PORTS:
        raise InvalidValue(
            f"sampler {name!r} cannot be exported: it draws {size:,} numbers for an image in "
            f"{len(noise)} arrays, and files take up to {MOST_VALUES:,} in {MOST_PORTS}. Use fewer "
            "steps"
        )


class _Drawn(nn.Module):
    """A sampler's module, called with its noise and then the condition, if there is one.

    Args:
        module: of the sampler.
        count: of the tensors of noise.
    """

    def __init__(self, module: nn.Module, count: int) -> None:
        super().__init__()
        self.module = module
        self._count = count

    def forward(self, *given: Tensor) -> Tensor:
        """Map noise, each (B, *shape), and a condition to images (B, C, H, W) in 0..1."""
        condition = given[self._count] if len(given) > self._count else None
        images: Tensor = self.module(*given[: self._count], condition=condition)
        return images


def sampler_of(table: Mapping[str, Any], run: Run) -> SamplerChoice:
    """Return the sampler that a file's manifest describes.

    Raises:
        UnknownName: it is not installed.
    """
    options = {key: value for key, value in table.items() if key not in KEYS}
    return run.settings.sampler_choice(f"{table['package']}/{table['name']}", options)
