"""The settings of a training that nobody chose, suited to its model and its data."""

from dataclasses import fields, replace
from typing import Any

from gtk.core.registry.options import as_table, make_config
from gtk.core.registry.train_config import TrainConfig
from gtk.core.settings.choice import Settings
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue, PluginError, UnknownName

#: Of these two, neither is suggested if the other was chosen.
PAIR = {"optimizer", "learning_rate"}


def suited_settings(settings: Settings, data_spec: DataSpec, images: int) -> Settings:
    """Return the settings, of which what nobody chose is as the model's plugin suggests.

    Where no condition acts, none is left out unless somebody asked for that.

    Args:
        settings: of the training.
        data_spec: of the data.
        images: for training.

    Raises:
        PluginError: the plugin suggests something that is no setting of the trainer.
    """
    train = settings.train
    chosen = {item.name for item in fields(train)} - settings.fitted
    suggested = {
        name: value
        for name, value in _suggestion(settings, data_spec, images).items()
        if name not in chosen
    }
    if chosen & PAIR:  # a rate suits one optimizer
        suggested = {name: suggested[name] for name in suggested if name not in PAIR}
    if suggested:
        try:
            train = make_config(TrainConfig, {**as_table(train), **suggested}, "training")
        except (InvalidValue, UnknownName) as error:
            raise PluginError(f"{settings.choice.model} suggests settings: {error}.") from error
    conditional: bool = getattr(settings.choice.conditioner.resolve(), "conditional", True)
    if not conditional and "condition_dropout" in settings.fitted:
        train = replace(train, condition_dropout=0.0)
    return replace(settings, train=train)


def _suggestion(settings: Settings, data_spec: DataSpec, images: int) -> dict[str, Any]:
    """Return the settings that the model's plugin suggests for the data."""
    model = settings.choice.model
    if model.spec.suggest is None:
        return {}
    try:
        return dict(model.spec.suggest(settings.configs["model"], data_spec, images))
    except Exception as error:
        raise PluginError(f"{model} failed with {type(error).__name__}: {error}.") from error
