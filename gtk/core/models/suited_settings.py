"""Settings of a training that nobody chose, and that suit its model and its data."""

from dataclasses import replace
from typing import Any

from gtk.core.registry.discovery import Plugin
from gtk.core.registry.options import as_table, make_config
from gtk.core.registry.spec import ModelSpec
from gtk.core.registry.train_config import SUGGESTIBLE, TrainConfig, suited
from gtk.core.settings.choice import Settings
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue, PluginError


def suited_settings(settings: Settings, data_spec: DataSpec, images: int) -> Settings:
    """Return the settings with what the model's plugin suggests for the data.

    No condition is left out where none acts and nobody asked for it.

    Args:
        settings: of the training.
        data_spec: of the data.
        images: the number of training images.

    Raises:
        PluginError: as `suggestion` says.
    """
    train = settings.train
    if settings.suggestible:
        plugin, config = settings.choice.model, settings.configs["model"]
        suggested = suggestion(plugin, config, data_spec, images)
        open_ones = {name: suggested[name] for name in suggested if name in settings.suggestible}
        train = make_config(TrainConfig, suited({**as_table(train), **open_ones}), "training")
    conditional: bool = getattr(settings.choice.conditioner.resolve(), "conditional", True)
    if not conditional and "condition_dropout" in settings.fitted:
        train = replace(train, condition_dropout=0.0)
    return replace(settings, train=train)


def suggestion(
    plugin: Plugin[ModelSpec],
    config: Any,  # noqa: ANN401 - each plugin has a class of its own
    data_spec: DataSpec,
    images: int,
) -> dict[str, Any]:
    """Return the settings that a model's plugin suggests.

    Args:
        plugin: of the model.
        config: its options.
        data_spec: of the data.
        images: the number of training images.

    Raises:
        PluginError: it fails, or suggests what is no setting of `SUGGESTIBLE`, or a wrong value.
    """
    if plugin.spec.suggest is None:
        return {}
    try:
        found = dict(plugin.spec.suggest(config, data_spec, images))
        _check(found)
    except Exception as error:
        reason = error if isinstance(error, InvalidValue) else f"{type(error).__name__}: {error}"
        raise PluginError(f"{plugin}: its suggest() failed: {reason}.") from error
    return found


def _check(suggested: dict[Any, Any]) -> None:
    """Refuse other settings than those that may be suggested, and wrong values.

    Raises:
        InvalidValue: it says which.
    """
    unknown = sorted(str(name) for name in {*suggested} - SUGGESTIBLE)
    if unknown:
        raise InvalidValue(f"{unknown[0]!r} is none of {', '.join(sorted(SUGGESTIBLE))}")
    make_config(TrainConfig, suggested, "training")
