"""What a conditioner promises."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from gtk.core.contracts.conditioner import Conditioner, ConditioningLayer, ScoreLayer, Site
from gtk.core.contracts.normalization import Normalization
from gtk.core.models.build import build
from gtk.core.registry.options import make_config
from gtk.core.settings.choice import Choice, Settings
from gtk.core.settings.image_source import load_data
from gtk.core.storage.runs import RunPlace
from gtk.core.training.training import Training
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.errors import GtkError, InvalidValue
from gtk.testing.check import Check, CheckFailed, CheckSkipped, Specimen, needs
from gtk.testing.process_state import Surroundings
from gtk.testing.weights import same_bits

#: One condition of each kind.
CONDITIONS = (
    ConditionSpec(("a", "b", "c")),
    ConditionSpec(("hat", "glasses"), "attributes"),
    ConditionSpec(("age", "angle"), "continuous", ((0.0, 100.0), (-3.0, 1.0))),
)
ROLES = ("encoder", "decoder", "generator", "discriminator")
#: Features of a layer under test, and the sides of its maps.
FEATURES, SIDES = 8, (3, 5)
#: Of the global generator while layers are made: one that nobody else has chosen.
SEED = 3_141_592_653
#: Alone and in a batch, sums may be rounded otherwise.
TOLERANCE = 1e-5
#: Models of gtk's own that a conditioner is tried in; the first that it acts in is taken.
MODELS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "cvae",
        {"network": "conv", "channels": (8,), "hidden_dims": (8,), "normalization": "batch"},
    ),
    ("cgan", {"channels": (8, 8), "latent_dim": 8}),
)
UNCONDITIONAL_MODEL = ("vae", {"hidden_dims": (8,)})


@dataclass(frozen=True)
class Trial:
    """A layer that a conditioner gave, and what it is tried on.

    Attributes:
        where: it was asked for, as "hidden layer of a generator, for images".
        layer: as given.
        inputs: what it is called with before the condition.
        condition: what it is conditioned on.
        keeps_width: whether it has to give as many features as it takes.
    """

    where: str
    layer: Any
    inputs: tuple[Tensor, ...]
    condition: ConditionSpec
    keeps_width: bool = False

    @property
    def acts(self) -> bool:
        """Whether it says that the condition makes a difference."""
        return bool(getattr(self.layer, "acts", False))

    def __call__(self, condition: Tensor) -> Tensor:
        """Return what the layer gives for a condition of as many rows as its inputs have."""
        with torch.no_grad():
            return self.give(condition)

    def give(self, condition: Tensor) -> Tensor:
        """Return what the layer gives, with a gradient."""
        given: Tensor = self.layer(*(value.clone() for value in self.inputs), condition)
        return given


def check_constructs(specimen: Specimen) -> None:
    """It takes classes, attributes or numbers, or refuses them with `gtk.InvalidValue`."""
    target: Any = specimen.plugin.spec.resolve()
    if not (isinstance(target, type) and issubclass(target, Conditioner)):
        raise CheckFailed(f"its target {target!r:.60} is no gtk.Conditioner: derive it from one")
    accepted = _strategies(specimen)
    if not accepted:
        raise CheckFailed(
            "it takes neither classes nor attributes nor numbers: raise gtk.InvalidValue only for "
            "kinds of condition that it cannot take"
        )
    for condition, strategy in accepted:
        if strategy.condition is not condition:
            raise CheckFailed(
                "it does not keep the condition that it is given: call "
                "super().__init__(config, condition) in __init__"
            )
        if isinstance(strategy, nn.Module):
            raise CheckFailed(
                "it is a torch module: leave that to the layers, of which each belongs to the "
                "network that asked for it"
            )


@needs(check_constructs)
def check_layers(specimen: Specimen) -> None:
    """Wherever it is asked it gives a layer of the right class, for vectors and for images."""
    for trial in _trials(specimen):
        wanted = ScoreLayer if len(trial.inputs) == 2 else ConditioningLayer
        if not isinstance(trial.layer, wanted):
            raise CheckFailed(
                f"as {trial.where} it gives {type(trial.layer).__name__}: give a gtk."
                f"{wanted.__name__}, where it does not act that of gtk.Conditioner"
            )


@needs(check_layers)
def check_runs(specimen: Specimen) -> None:
    """Every layer runs with the condition that it was made for."""
    for trial in _trials(specimen):
        try:
            trial(_rows(trial.condition))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise CheckFailed(
                f"its {trial.where} fails with {trial.condition.kind} ({reason}): refuse what it "
                "cannot take with gtk.InvalidValue in __init__; an image is (B, F, H, W)"
            ) from error


@needs(check_runs)
def check_widths(specimen: Specimen) -> None:
    """What a layer gives is as wide as its `out_features` says, and else of its input's shape."""
    for trial in _trials(specimen):
        given, taken = trial(_rows(trial.condition)), trial.inputs[0]
        if isinstance(trial.layer, ScoreLayer):
            if given.shape != taken.shape:
                raise CheckFailed(
                    f"its {trial.where} gives {tuple(given.shape)} for scores "
                    f"{tuple(taken.shape)}: give one score for each image"
                )
            continue
        width = getattr(trial.layer, "out_features", None)
        if width is None:
            raise CheckFailed(
                f"its {trial.where} has no out_features: set it to the width that it gives"
            )
        wanted = (len(taken), width, *taken.shape[2:])
        if tuple(given.shape) != wanted:
            raise CheckFailed(
                f"its {trial.where} gives {tuple(given.shape)} for {tuple(taken.shape)}, and with "
                f"out_features {width} that should be {wanted}: make the two agree"
            )
        if trial.keeps_width and width != taken.shape[1]:
            raise CheckFailed(
                f"its {trial.where} gives {width} features for {taken.shape[1]}: a normalization "
                "keeps the width"
            )


@needs(check_runs)
def check_acts(specimen: Specimen) -> None:
    """A layer depends on the condition where it says that it acts, and nowhere else.

    On all of it: on every class, attribute and number.
    """
    acting = 0
    for trial in _trials(specimen):
        _stir(trial.layer)
        rows = _differing(trial.condition)
        outputs = [trial(row.expand(len(trial.inputs[0]), *row.shape)) for row in rows]
        alike = any(same_bits(one, two) for one, two in combinations(outputs, 2))
        different = any(not same_bits(one, two) for one, two in combinations(outputs, 2))
        if trial.acts and alike:
            raise CheckFailed(
                f"its {trial.where} says that it acts, and gives the same for different "
                f"{trial.condition.kind}: let all of the condition into what it gives, or set "
                "acts = False"
            )
        if not trial.acts and different:
            raise CheckFailed(
                f"its {trial.where} says that it does not act (acts = False), and depends on the "
                "condition: set acts = True, so that gtk knows that the network is conditioned"
            )
        acting += trial.acts
    conditional = specimen.plugin.spec.resolve().conditional
    if conditional and not acting:
        raise CheckFailed(
            "it acts nowhere, and says that it is conditional: override input, hidden, "
            "normalization or score, or set conditional = False"
        )
    if acting and not conditional:
        raise CheckFailed("it acts, and says conditional = False: leave that out")


@needs(check_runs)
def check_own_weights(specimen: Specimen) -> None:
    """Each layer has weights of its own: two networks share none."""
    owners: dict[Tensor, str] = {}
    for trial in _trials(specimen):
        for parameter in trial.layer.parameters():
            if parameter in owners:
                raise CheckFailed(
                    f"its {trial.where} and its {owners[parameter]} share weights, which two "
                    "optimizers would train: make new ones for each layer"
                )
            owners[parameter] = trial.where


@needs(check_runs)
def check_gradients(specimen: Specimen) -> None:
    """The gradient reaches all weights of every layer, and goes on to what is before it."""
    for trial in _trials(specimen):
        _stir(trial.layer)
        for value in trial.inputs:
            value.requires_grad_()
        given = trial.give(_rows(trial.condition))
        if given.requires_grad:
            (given * _fixed_noise(given.shape)).sum().backward()  # type: ignore[no-untyped-call]
        unreached = [n for n, p in trial.layer.named_parameters() if p.grad is None]
        if unreached:
            raise CheckFailed(
                f"the gradient does not reach {unreached[0]} of its {trial.where}: use it in "
                "forward(), outside of torch.no_grad() and detach(), or make it a buffer"
            )
        if trial.inputs[0].grad is None:
            raise CheckFailed(
                f"the gradient stops in its {trial.where}: do not detach what it takes"
            )


@needs(check_runs)
def check_images_alone(specimen: Specimen) -> None:
    """In eval mode what an image becomes does not depend on the batch it is in, nor on chance."""
    for trial in _trials(specimen):
        _stir(trial.layer)
        trial.layer.eval()
        condition = _rows(trial.condition)
        whole = trial(condition)
        if not same_bits(whole, trial(condition)):
            raise CheckFailed(
                f"its {trial.where} gives another result when it is called again: draw nothing in "
                "eval mode, and change nothing in forward()"
            )
        for row in range(len(condition)):
            inputs = tuple(value[row : row + 1] for value in trial.inputs)
            alone = Trial(trial.where, trial.layer, inputs, trial.condition)(
                condition[row : row + 1]
            )
            if not torch.allclose(alone[0], whole[row], rtol=TOLERANCE, atol=TOLERANCE):
                raise CheckFailed(
                    f"its {trial.where} gives an image another result alone than in a batch: let "
                    "nothing in eval mode depend on the other rows"
                )


@needs(check_runs)
def check_leaves_inputs(specimen: Specimen) -> None:
    """A layer changes neither the features nor the condition that it is given."""
    for trial in _trials(specimen):
        given = [value.clone() for value in (*trial.inputs, _rows(trial.condition))]
        kept = [value.clone() for value in given]
        with torch.no_grad():
            trial.layer(*given)
        if not all(same_bits(one, two) for one, two in zip(given, kept, strict=True)):
            raise CheckFailed(
                f"its {trial.where} changes what it is given: leave out operations in place, such "
                "as hidden += ... or relu_()"
            )


@needs(check_runs)
def check_globals(specimen: Specimen) -> None:
    """Its layers, made and run, change nothing that is the whole process's."""
    surroundings = Surroundings()
    for trial in _trials(specimen):
        trial(_rows(trial.condition))
        if torch.initial_seed() != SEED:  # which is put back with the draws of the layers
            raise CheckFailed(
                f"its {trial.where} seeds torch's global generator: leave that out, or every "
                "--seed begins with the same weights"
            )
    changes = surroundings.changes()
    if changes:
        raise CheckFailed(
            f"making and running its layers changes {', '.join(changes)} for the whole process: "
            "leave it alone, and draw weights from torch's generator, as its layers do"
        )


@needs(  # since it takes longest
    check_widths,
    check_acts,
    check_own_weights,
    check_gradients,
    check_images_alone,
    check_leaves_inputs,
    check_globals,
)
def check_exports(specimen: Specimen) -> None:
    """A model of gtk's that uses it can be trained, and exported with the proof."""
    from gtk.exports.onnx import export

    settings = _settings(specimen)
    training = Training(settings, "cpu", [])
    run = training.start(RunPlace(specimen.folder / "runs", None, False))
    try:
        export(run, specimen.folder / "model.onnx")
    except GtkError as error:
        raise CheckFailed(
            f"{settings.choice.model.spec.name} with it cannot be exported: {error}"
        ) from error


CHECKS: tuple[Check, ...] = (
    check_constructs,
    check_layers,
    check_runs,
    check_widths,
    check_acts,
    check_own_weights,
    check_gradients,
    check_images_alone,
    check_leaves_inputs,
    check_globals,
    check_exports,
)


def _strategies(specimen: Specimen) -> list[tuple[ConditionSpec, Conditioner]]:
    """Return the strategy for each kind of condition that it does not refuse."""
    spec = specimen.plugin.spec
    config = make_config(spec.config, specimen.options, f"conditioner '{spec.name}'")
    found = []
    for condition in CONDITIONS:
        try:
            found.append((condition, spec.resolve()(config, condition)))
        except InvalidValue:
            continue
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise CheckFailed(
                f"with {condition.kind} it cannot be constructed ({reason}): refuse a kind that it "
                "cannot take with gtk.InvalidValue"
            ) from error
    return found


def _trials(specimen: Specimen) -> Iterator[Trial]:
    """Ask for a layer at every site, for every kind of condition that it takes."""
    for condition, strategy in _strategies(specimen):
        for role in ROLES:
            yield from _layers(strategy, condition, role)


def _layers(strategy: Conditioner, condition: ConditionSpec, role: str) -> Iterator[Trial]:
    """Ask for a layer at every place of a network."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        for spatial in (False, True):
            count = len(_rows(condition))
            shape = (count, FEATURES, *(SIDES if spatial else ()))
            hidden = _fixed_noise(shape)
            end = f"layer of a {role}, for {'images' if spatial else 'vectors'}"
            for name in ("input", "hidden"):
                site = Site(role, "input" if name == "input" else "hidden 0")
                layer = getattr(strategy, name)(site, FEATURES)
                yield Trial(f"{name} {end}", layer, (hidden.clone(),), condition)
            for kind in ("batch", "group"):
                layer = strategy.normalization(
                    Site(role, "hidden 0"), FEATURES, Normalization(kind), spatial=spatial
                )
                where = f"{kind} normalization {end}"
                yield Trial(where, layer, (hidden.clone(),), condition, keeps_width=True)
        features = _fixed_noise((count, FEATURES))
        layer = strategy.score(Site(role, "score"), FEATURES)
        yield Trial(
            f"score layer of a {role}", layer, (features[:, 0].clone(), features), condition
        )


def _rows(condition: ConditionSpec) -> Tensor:
    """Return a batch of conditions: four rows, of which all classes are some."""
    if condition.kind == "classes":
        return torch.tensor([0, 1, 2, 1])
    if condition.kind == "attributes":
        return torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    low, high = torch.tensor(condition.ranges).T
    return torch.stack([low, high, (low + high) / 2, torch.stack([low[0], high[1]])])


def _differing(condition: ConditionSpec) -> Tensor:
    """Return conditions of which each differs from the first in one thing.

    A number differs by all of its range, as nearer ones may well count as one.
    """
    if condition.kind == "classes":
        return torch.arange(condition.count)
    ranges = condition.ranges or [(0.0, 1.0)] * condition.count
    low, high = torch.tensor(ranges).T
    return torch.cat([low[None], low + torch.diag(high - low)])


def _stir(layer: nn.Module) -> None:
    """Give all weights some other value: many start as zeros, where nothing acts yet."""
    with torch.no_grad():
        for number, parameter in enumerate(layer.parameters()):
            parameter.copy_(_fixed_noise(parameter.shape, number + 1))


def _fixed_noise(shape: Any, seed: int = 0) -> Tensor:  # noqa: ANN401 - a torch.Size or a tuple
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(tuple(shape), generator=generator)


def _settings(specimen: Specimen) -> Settings:
    """Choose a model that the conditioner acts in, and settle a short training."""
    conditional = specimen.plugin.spec.resolve().conditional
    refusals = []
    for model, options in MODELS if conditional else (UNCONDITIONAL_MODEL,):
        choice = Choice.by_name(f"generative-toolkit/{model}", specimen.data, specimen.name)
        tables = {table: dict(values) for table, values in choice.presets.items()}
        tables["model"] |= options
        tables["conditioner"] |= specimen.options
        tables["train"]["epochs"] = 1
        settings = choice.settle_tables(tables, None)
        dataset = load_data(choice.dataset, settings.configs["data"], None)
        try:
            build(settings, dataset.spec)
        except InvalidValue as error:
            refusals.append(str(error))
        else:
            return settings
    raise CheckSkipped(f"none of gtk's own models can use it: {refusals[0]}")
