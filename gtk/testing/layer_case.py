"""A layer of the conditioner under test, with the inputs it is called with."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gtk.core.contracts.conditioner import Conditioner, Site
from gtk.core.contracts.normalization import Normalization
from gtk.core.registry.options import make_config
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.errors import InvalidValue
from gtk.testing.check import CheckFailed, Specimen, error_line

#: One condition of each kind.
CONDITIONS = (
    ConditionSpec(("a", "b", "c")),
    ConditionSpec(("hat", "glasses"), "attributes"),
    ConditionSpec(("age", "angle"), "continuous", ((0.0, 100.0), (-3.0, 1.0))),
)
ROLES = ("encoder", "decoder", "generator", "discriminator")
#: Features of a layer under test, and the sides of its maps.
FEATURES, SIDES = 8, (3, 5)
#: Of the global generator while layers are made: a value that a plugin would not choose.
SEED = 3_141_592_653


@dataclass(frozen=True)
class LayerCase:
    """A layer that a conditioner returned, with its inputs.

    Attributes:
        where: the site for messages, as "hidden layer of a generator, for images".
        layer: as returned.
        inputs: the arguments before the condition.
        condition: the kind of condition that the layer was made for.
        keeps_width: whether the output must have as many features as the input.
    """

    where: str
    layer: Any
    inputs: tuple[Tensor, ...]
    condition: ConditionSpec
    keeps_width: bool = False

    @property
    def acts(self) -> bool:
        """Whether the layer declares that it depends on the condition."""
        return bool(getattr(self.layer, "acts", False))

    def __call__(self, condition: Tensor) -> Tensor:
        """Return the layer's output, without a gradient, for a condition with a row an input."""
        with torch.no_grad():
            return self.give(condition)

    def give(self, condition: Tensor) -> Tensor:
        """Return the layer's output, with a gradient."""
        given: Tensor = self.layer(*(value.clone() for value in self.inputs), condition)
        return given


def strategies(specimen: Specimen) -> list[tuple[ConditionSpec, Conditioner]]:
    """Return the strategy for each kind of condition that it accepts."""
    spec = specimen.plugin.spec
    config = make_config(spec.config, specimen.options, f"conditioner '{spec.name}'")
    found = []
    for condition in CONDITIONS:
        try:
            found.append((condition, spec.resolve()(config, condition)))
        except InvalidValue:
            continue
        except Exception as error:
            raise CheckFailed(
                f"with {condition.kind} it cannot be constructed ({error_line(error)}): refuse a "
                "kind that it cannot take with gtk.InvalidValue"
            ) from error
    return found


def layer_cases(specimen: Specimen) -> Iterator[LayerCase]:
    """Yield the layer of every site, for every kind of condition that the conditioner accepts."""
    for condition, strategy in strategies(specimen):
        for role in ROLES:
            yield from _layers(strategy, condition, role)


def _layers(strategy: Conditioner, condition: ConditionSpec, role: str) -> Iterator[LayerCase]:
    """Yield the layer of every place of a network, for vectors and for images."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        for spatial in (False, True):
            count = len(condition_rows(condition))
            shape = (count, FEATURES, *(SIDES if spatial else ()))
            hidden = fixed_noise(shape)
            end = f"layer of a {role}, for {'images' if spatial else 'vectors'}"
            for name in ("input", "hidden"):
                site = Site(role, "input" if name == "input" else "hidden 0")
                layer = getattr(strategy, name)(site, FEATURES)
                yield LayerCase(f"{name} {end}", layer, (hidden.clone(),), condition)
            for kind in ("batch", "group"):
                layer = strategy.normalization(
                    Site(role, "hidden 0"), FEATURES, Normalization(kind), spatial=spatial
                )
                where = f"{kind} normalization {end}"
                yield LayerCase(where, layer, (hidden.clone(),), condition, keeps_width=True)
        features = fixed_noise((count, FEATURES))
        layer = strategy.score(Site(role, "score"), FEATURES)
        yield LayerCase(
            f"score layer of a {role}", layer, (features[:, 0].clone(), features), condition
        )


def condition_rows(condition: ConditionSpec) -> Tensor:
    """Return a batch of four conditions that has every class."""
    if condition.kind == "classes":
        return torch.tensor([0, 1, 2, 1])
    if condition.kind == "attributes":
        return torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    low, high = torch.tensor(condition.ranges).T
    return torch.stack([low, high, (low + high) / 2, torch.stack([low[0], high[1]])])


def differing_conditions(condition: ConditionSpec) -> Tensor:
    """Return conditions that each differ from the first in one class, attribute or number.

    Numbers differ by their whole range, since a layer may map close ones to the same output.
    """
    if condition.kind == "classes":
        return torch.arange(condition.count)
    ranges = condition.ranges or [(0.0, 1.0)] * condition.count
    low, high = torch.tensor(ranges).T
    return torch.cat([low[None], low + torch.diag(high - low)])


def randomize(layer: nn.Module) -> None:
    """Set all weights to fixed noise: many start as zeros, with which a layer does not act yet."""
    with torch.no_grad():
        for number, parameter in enumerate(layer.parameters()):
            parameter.copy_(fixed_noise(parameter.shape, number + 1))


def fixed_noise(shape: Any, seed: int = 0) -> Tensor:  # noqa: ANN401 - a torch.Size or a tuple
    """Return the same noise (*shape) for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(tuple(shape), generator=generator)
