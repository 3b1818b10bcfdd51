"""Build the model, its conditioner and its loss that the settings of a training name."""

from typing import Any

import torch
from torch import nn

from gtk.core.contracts.conditioner import Conditioner, ConditioningRecord
from gtk.core.contracts.loss import Loss
from gtk.core.contracts.model import Model
from gtk.core.contracts.sampler import Sampler
from gtk.core.registry.discovery import Plugin, checked_target
from gtk.core.registry.spec import ModelSpec, SamplerSpec
from gtk.core.settings.choice import Settings
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue, PluginError, nearest
from gtk.core.values.memory import as_text, shortage
from gtk.core.values.noise import NoiseSpec
from gtk.core.values.seeding import derive_seed
from gtk.core.values.setting import setting


def build(settings: Settings, data_spec: DataSpec) -> tuple[Model, Loss]:
    """Build the model, with its conditioner's layers in it, and the loss.

    Weights are drawn from (seed, "init"); the state of the global generator is restored.

    Raises:
        InvalidValue: loss or sampler do not fit the model, or the conditioner does not fit the data
            or the model.
        PluginError: a target has another type than its spec declares, the model does not define
            its noise or networks, or it asks for a condition in an unknown network.
    """
    choice = settings.choice
    model_class = checked_target(choice.model, Model)
    conditioner_class = checked_target(choice.conditioner, Conditioner)
    loss_class = checked_target(choice.loss, Loss)
    sampler_class = checked_target(choice.sampler, Sampler)
    for kind, needing in {"loss": loss_class, "sampler": sampler_class}.items():
        if not issubclass(model_class, needing.requires):
            raise misfit(choice.model, choice.plugins[kind], model_class, needing.requires)
    _check_condition(settings, data_spec, conditional=conditioner_class.conditional)
    if settings.train.condition_dropout:
        data_spec = data_spec.with_absent()
    strategy = conditioner_class(settings.configs["conditioner"], data_spec.condition)
    record = ConditioningRecord(strategy)
    model = _model(settings, model_class, data_spec, record)
    model.condition = data_spec.condition if conditioner_class.conditional else None
    _check_networks(settings, model, record)
    return model, loss_class(settings.configs["loss"])


def _check_condition(settings: Settings, data_spec: DataSpec, *, conditional: bool) -> None:
    """Refuse a conditioner without labels, and a dropped condition without a conditioner."""
    name = settings.choice.conditioner.spec.name
    if conditional and data_spec.condition is None:
        raise InvalidValue(
            f"conditioner {name!r} needs labels, and the images of data set {data_spec.name!r} are "
            f"not labelled. Use {setting('conditioner', 'unconditional')}."
        )
    if settings.train.condition_dropout and not conditional:
        raise InvalidValue(
            f"{setting('condition_dropout')} leaves the condition out, and conditioner {name!r} "
            f"has none. Leave it at 0, or use another {setting('conditioner')}."
        )


def _model(
    settings: Settings, model_class: type[Model], data_spec: DataSpec, record: ConditioningRecord
) -> Model:
    """Construct the model, with weights from the training's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(settings.train.seed, "init"))
        try:
            return model_class(settings.configs["model"], data_spec, record)
        except (ValueError, TypeError, RuntimeError, MemoryError, OverflowError) as error:
            reason = (str(error) or type(error).__name__).partition("\n")[0]
            asked = shortage(error)
            if asked or "verflow" in reason:
                size = f" of {as_text(asked)}" if asked else ""
                reason = f"a layer{size} is too large. Use smaller widths"
            name = settings.choice.model.spec.name
            raise InvalidValue(
                f"model {name!r} cannot be built for {data_spec.name}: {reason}"
            ) from error


def _check_networks(settings: Settings, model: Model, record: ConditioningRecord) -> None:
    """Refuse a model that has a site in an unknown network, or ignores its condition in one."""
    choice = settings.choice
    networks = _networks(model, choice.model)
    # Check roles before idle networks: a network whose role is misspelt looks idle, too. Sites
    # at which nothing acts count, so that the first conditional training is not the one to fail.
    unknown = record.unknown_roles(networks)
    if unknown:
        raise PluginError(
            f"{choice.model}: the model asks for a condition in network {unknown[0]!r}, and "
            f"networks() returns {', '.join(networks)}. Use one of these as the role of its "
            "gtk.Site."
        )
    idle = record.idle_networks(networks, model.unconditioned)
    if idle:
        acts_on = checked_target(choice.conditioner, Conditioner).acts_on
        lack = "lacks" if len(idle) == 1 else "lack"
        raise InvalidValue(
            f"conditioner {choice.conditioner.spec.name!r} acts on {acts_on}, which the "
            f"{' and '.join(idle)} of model {choice.model.spec.name!r} {lack}, so that the "
            f"condition would be ignored there. Use another {setting('conditioner')}, or add them "
            "if the model has an option for that."
        )


def _networks(model: Model, plugin: Plugin[ModelSpec]) -> dict[str, nn.Module]:
    """Return a new model's networks, after checking that it defines its noise and networks."""
    name = type(model).__name__
    if not isinstance(getattr(model, "noise", None), NoiseSpec):
        raise PluginError(
            f"{plugin}: {name} does not define the noise that sampling starts from: set "
            "self.noise = gtk.NoiseSpec(shape) in its __init__()."
        )
    networks: Any = model.networks()
    if not isinstance(networks, dict) or not all(
        isinstance(network, nn.Module) for network in networks.values()
    ):
        raise PluginError(f"{plugin}: networks() of {name} must return a dict of modules by role.")
    return networks


def build_sampler(plugin: Plugin[SamplerSpec], config: object, model: Model) -> Sampler[Any]:
    """Build a sampler of a model.

    Raises:
        InvalidValue: it does not fit the model.
        PluginError: its target is no sampler, or its noise does not begin with "z".
    """
    sampler_class = checked_target(plugin, Sampler)
    if not isinstance(model, sampler_class.requires):
        raise InvalidValue(
            f"sampler {plugin.spec.name!r} is for models of type "
            f"{sampler_class.requires.__name__}, and {type(model).__name__} is not one. Leave "
            f"{setting('sampler')} out for the run's own"
        )
    sampler: Sampler[Any] = plugin.call(config, model)
    if next(iter(sampler.noise), None) != "z":
        raise PluginError(f"sampler {plugin.spec.name!r}: its noise does not begin with 'z'")
    return sampler


def own_sampler(settings: Settings, model: Model) -> Sampler[Any]:
    """Build the sampler that a run's settings name, of its model."""
    return build_sampler(*settings.sampler_choice(None, {}), model)


def misfit(
    model: Plugin[ModelSpec], plugin: Plugin[Any], model_class: type, requires: type
) -> InvalidValue:
    """Return the error for a loss or a sampler that does not fit a model, and a remedy."""
    name, kind = model_class.__name__, plugin.installed.kind
    wanted = [
        method
        for base in reversed(requires.__mro__)
        if getattr(base, "_is_protocol", False)
        for method, value in vars(base).items()
        if callable(value) and not method.startswith("_")
    ]
    missing = [method for method in wanted if not hasattr(model_class, method)]
    default = getattr(model.spec, kind)
    own = plugin.installed.goes_by(default)
    lacks = ""
    # A model that has none of the methods was written for another loss: a list of them all would
    # suggest the wrong remedy.
    if missing and (own or len(missing) < len(wanted)):
        *others, last = [f"{method}()" for method in missing]
        lacks = f": {name} lacks {', '.join(others)}{' and ' if others else ''}{last}"
        others = [item for item in vars(model_class) if item not in wanted and item[0] != "_"]
        near = nearest(missing[0], others)
        lacks += f", and has {near}()" if near else ""
    remedy = f"Use {setting(kind, default)}."
    if own:  # the model's own default, so the model is unfinished
        todo = f"Write what {name} lacks" if missing else f"Derive {name} from {requires.__name__}"
        remedy = f"{todo}, or use another {setting(kind)}."
    return InvalidValue(
        f"{kind} {plugin.spec.name!r} is for models of type {requires.__name__}, and model "
        f"{model.spec.name!r} is not one{lacks}. {remedy}"
    )
