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


@dataclass(frozen=True)
class Condition:
    """A condition of one kind, with rows for a layer.

    Attributes:
        spec: of the condition.
        rows: a batch, with every class.
        differing: rows that differ from the first in one class, attribute or number. Numbers differ
            by their whole range, since a layer may map close ones to the same output.
    """

    spec: ConditionSpec
    rows: Tensor
    differing: Tensor

    @property
    def kind(self) -> str:
        """The kind in words: "classes", "attributes" or "numbers"."""
        return self.spec.nouns[1]


#: One condition of each kind.
CONDITIONS = (
    Condition(ConditionSpec(("a", "b", "c")), torch.tensor([0, 1, 2, 1]), torch.tensor([0, 1, 2])),
    Condition(
        ConditionSpec(("hat", "glasses"), "attributes"),
        torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]),
        torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]),
    ),
    Condition(
        ConditionSpec(("age", "angle"), "continuous", ((0.0, 100.0), (-3.0, 1.0))),
        torch.tensor([[0.0, -3.0], [100.0, 1.0], [50.0, -1.0], [0.0, 1.0]]),
        torch.tensor([[0.0, -3.0], [100.0, -3.0], [0.0, 1.0]]),
    ),
)
ROLES = ("encoder", "decoder", "generator", "discriminator")
#: Features of a layer under test, and height and width of its maps.
FEATURES, SIDES = 8, (3, 5)
#: Seed of the global generator while layers are made; a plugin would not choose this one.
SEED = 3_141_592_653


@dataclass(frozen=True)
class LayerCase:
    """A layer that a conditioner returned, with its inputs.

    Attributes:
        where: the site for messages, as "hidden layer of a generator, for images".
        layer: as returned.
        inputs: the arguments before the condition.
        condition: that the layer was made for.
        keeps_width: whether the output must have as many features as the input.
    """

    where: str
    layer: Any
    inputs: tuple[Tensor, ...]
    condition: Condition
    keeps_width: bool = False

    @property
    def acts(self) -> bool:
        """Whether the layer declares that it depends on the condition."""
        return bool(getattr(self.layer, "acts", False))

    def __call__(self, rows: Tensor | None = None) -> Tensor:
        """Return the layer's output without a gradient; see `run`."""
        with torch.no_grad():
            return self.run(rows)

    def run(self, rows: Tensor | None = None) -> Tensor:
        """Return the layer's output with a gradient, by default for `condition.rows`."""
        rows = self.condition.rows if rows is None else rows
        # Clones, since a faulty layer changes what it is called with.
        output: Tensor = self.layer(*(value.clone() for value in (*self.inputs, rows)))
        return output


def strategies(specimen: Specimen) -> list[tuple[Condition, Conditioner]]:
    """Return the conditioner for each kind of condition that it accepts."""
    spec = specimen.plugin.spec
    config = make_config(spec.config, specimen.options, f"conditioner {spec.name!r}")
    found = []
    for condition in CONDITIONS:
        try:
            found.append((condition, spec.resolve()(config, condition.spec)))
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


def _layers(strategy: Conditioner, condition: Condition, role: str) -> Iterator[LayerCase]:
    """Yield the layer of every place of a network, for vectors and for images."""
    count = len(condition.rows)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        for spatial in (False, True):
            hidden = fixed_noise((count, FEATURES, *(SIDES if spatial else ())))
            end = f"layer of a {role}, for {'images' if spatial else 'vectors'}"
            for name, place in (("input", "input"), ("hidden", "hidden 0")):
                layer = getattr(strategy, name)(Site(role, place), FEATURES)
                yield LayerCase(f"{name} {end}", layer, (hidden.clone(),), condition)
            for kind in ("batch", "group"):
                layer = strategy.normalization(
                    Site(role, "hidden 0"), FEATURES, Normalization(kind), spatial=spatial
                )
                where = f"{kind} normalization {end}"
                yield LayerCase(where, layer, (hidden.clone(),), condition, keeps_width=True)
        features = fixed_noise((count, FEATURES))
        layer = strategy.score(Site(role, "score"), FEATURES)
        inputs = features[:, 0].clone(), features
        yield LayerCase(f"score layer of a {role}", layer, inputs, condition)


def randomize(layer: nn.Module) -> None:
    """Set all weights to fixed noise: many start as zeros, with which a layer does not act yet."""
    with torch.no_grad():
        for number, parameter in enumerate(layer.parameters(), 1):
            parameter.copy_(fixed_noise(parameter.shape, number))


def fixed_noise(shape: Any, seed: int = 0) -> Tensor:  # noqa: ANN401 - a torch.Size or a tuple
    """Return the same noise (*shape) for the same seed."""
    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed))
