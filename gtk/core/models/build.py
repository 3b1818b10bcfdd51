"""Put a model, its conditioner and a loss together, as the settings of a training want them."""

from difflib import get_close_matches
from typing import Any

import torch
from torch import nn

from gtk.core.contracts.conditioner import Conditioner, ConditioningRecord
from gtk.core.contracts.loss import Loss
from gtk.core.contracts.model import Model
from gtk.core.registry.discovery import Plugin
from gtk.core.registry.spec import LossSpec, ModelSpec
from gtk.core.settings.choice import Settings
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue, PluginError
from gtk.core.values.noise import NoiseSpec
from gtk.core.values.seeding import derive_seed


def build(settings: Settings, data_spec: DataSpec) -> tuple[Model, Loss]:
    """Build the model, with its conditioner's layers in it, and the loss.

    Weights are drawn from (seed, "init"); the global generator is left as it was.

    Raises:
        InvalidValue: the loss does not fit the model, or the conditioner not the data or the model.
        PluginError: a target is not what its spec says it is, or the model lacks what every model
            has to say of itself.
    """
    choice = settings.choice
    model_class = _target(choice.model, Model)
    conditioner_class = _target(choice.conditioner, Conditioner)
    loss_class = _target(choice.loss, Loss)
    if not issubclass(model_class, loss_class.requires):
        raise _misfit(choice.model, choice.loss, model_class, loss_class.requires)
    if conditioner_class.conditional and data_spec.condition is None:
        raise InvalidValue(
            f"conditioner '{choice.conditioner.spec.name}' needs labels and data set "
            f"'{data_spec.name}' has none. Use --conditioner unconditional."
        )
    strategy = conditioner_class(settings.configs["conditioner"], data_spec.condition)
    record = ConditioningRecord(strategy)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(settings.train.seed, "init"))
        try:
            model = model_class(settings.configs["model"], data_spec, record)
        except (ValueError, TypeError, RuntimeError, MemoryError, OverflowError) as error:
            reason = (str(error) or type(error).__name__).partition("\n")[0]
            raise InvalidValue(
                f"model '{choice.model.spec.name}' cannot be built for {data_spec.name}: {reason}"
            ) from error
    model.condition = data_spec.condition if conditioner_class.conditional else None
    networks = _networks(model, choice.model)
    idle = record.idle_networks(networks, model.unconditioned)
    strange = sorted({site.role for site in record.acted} - networks.keys())
    if idle and strange:  # most likely these are the same networks, by other names
        raise PluginError(
            f"{_blamed(choice.model)}: sites were asked for in '{strange[0]}', which is not in "
            f"networks(): {', '.join(networks)}. Use one of these as the role of its gtk.Site."
        )
    if idle:
        raise InvalidValue(
            f"conditioner '{choice.conditioner.spec.name}' acts on {conditioner_class.acts_on}; "
            f"there are none in the {' and '.join(idle)} of model '{choice.model.spec.name}', "
            "where the condition would be ignored. Add some, or use another --conditioner."
        )
    return model, loss_class(settings.configs["loss"])


def _networks(model: Model, plugin: Plugin[ModelSpec]) -> dict[str, nn.Module]:
    """Return a new model's networks, after a look at what nobody but the model can say.

    Raises:
        PluginError: it does not say what sampling starts from, or what its networks are.
    """
    name, blamed = type(model).__name__, _blamed(plugin)
    if not isinstance(getattr(model, "noise", None), NoiseSpec):
        raise PluginError(
            f"{blamed}: {name} does not say what sampling starts from: set self.noise = "
            "gtk.NoiseSpec(shape) in its __init__()."
        )
    networks: Any = model.networks()
    if not (
        isinstance(networks, dict)
        and all(isinstance(network, nn.Module) for network in networks.values())
    ):
        raise PluginError(f"{blamed}: networks() of {name} must return a dict of modules by role.")
    return networks


def _misfit(
    model: Plugin[ModelSpec], loss: Plugin[LossSpec], model_class: type, requires: type
) -> InvalidValue:
    """Make the error for a model that is not what a loss is for: what it lacks, and what helps."""
    name = model_class.__name__
    wanted = [
        method
        for base in reversed(requires.__mro__)
        if getattr(base, "_is_protocol", False)
        for method, value in vars(base).items()
        if callable(value) and not method.startswith("_")
    ]
    missing = [method for method in wanted if not hasattr(model_class, method)]
    own_loss = loss.installed.goes_by(model.spec.loss)
    lacks = ""
    if missing and (own_loss or len(missing) < len(wanted)):  # else it was never meant to be one
        *others, last = [f"{method}()" for method in missing]
        lacks = f": {name} lacks {', '.join(others)}{' and ' if others else ''}{last}"
        own = [word for word in vars(model_class) if word not in wanted and word[0] != "_"]
        near = get_close_matches(missing[0], own, n=1)
        lacks += f", and has {near[0]}()" if near else ""
    if not own_loss:
        remedy = f" Use --loss {model.spec.loss}."
    elif missing:  # its own loss: the model is not finished
        remedy = f" Write what {name} lacks, or use another --loss."
    else:
        remedy = f" Derive {name} from {requires.__name__}, or use another --loss."
    return InvalidValue(
        f"loss '{loss.spec.name}' is for models that are {requires.__name__}, and "
        f"'{model.spec.name}' is none{lacks}.{remedy}"
    )


def _target(plugin: Plugin[Any], expected: type) -> Any:  # noqa: ANN401 - a subclass of `expected`
    target = plugin.resolve()
    if not (isinstance(target, type) and issubclass(target, expected)):
        raise PluginError(
            f"{_blamed(plugin)}: its target {plugin.spec.target} is not a {expected.__name__}."
        )
    return target


def _blamed(plugin: Plugin[Any]) -> str:
    return f"{plugin.installed.title} of {plugin.installed}"
