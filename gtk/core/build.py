"""Put a model, its conditioner and a loss together, as the settings of a training want them."""

from typing import Any

import torch

from gtk.core.assembly import Settings
from gtk.core.conditioner import Conditioner, ConditioningRecord
from gtk.core.data import DataSpec
from gtk.core.discovery import Plugin
from gtk.core.errors import InvalidValue, PluginError
from gtk.core.loss import Loss
from gtk.core.model import Model
from gtk.core.seeding import derive_seed


def build(settings: Settings, data_spec: DataSpec) -> tuple[Model, Loss]:
    """Build the model, with its conditioner's layers in it, and the loss.

    Weights are drawn from (seed, "init"); the global generator is left as it was.

    Raises:
        InvalidValue: the loss does not fit the model, or the conditioner not the data or the model.
        PluginError: a target is not what its spec says it is.
    """
    choice = settings.choice
    model_class = _target(choice.model, Model)
    conditioner_class = _target(choice.conditioner, Conditioner)
    loss_class = _target(choice.loss, Loss)
    if not issubclass(model_class, loss_class.requires):
        raise InvalidValue(
            f"loss '{choice.loss.spec.name}' is for models that are "
            f"{loss_class.requires.__name__}, and '{choice.model.spec.name}' is none. "
            f"Use --loss {choice.model.spec.loss}."
        )
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
    idle = record.idle_networks(model.networks(), model.unconditioned)
    if idle:
        raise InvalidValue(
            f"conditioner '{choice.conditioner.spec.name}' acts on {conditioner_class.acts_on}; "
            f"there are none in the {' and '.join(idle)} of model '{choice.model.spec.name}', "
            "where the condition would be ignored. Add some, or use another --conditioner."
        )
    return model, loss_class(settings.configs["loss"])


def _target(plugin: Plugin[Any], expected: type) -> Any:  # noqa: ANN401 - a subclass of `expected`
    target = plugin.resolve()
    if not (isinstance(target, type) and issubclass(target, expected)):
        raise PluginError(
            f"{plugin.installed.kind} '{plugin.spec.name}' of {plugin.installed}: its target "
            f"{plugin.spec.target} is not a {expected.__name__}."
        )
    return target
