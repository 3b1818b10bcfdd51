"""Settings of a training that nobody chose, and that suit its model and its data."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gtk.core.registry.discovery import Plugin, find
from gtk.core.registry.installed import LOSS, SAMPLER
from gtk.core.registry.options import as_table, make_config
from gtk.core.registry.spec import ModelSpec
from gtk.core.registry.train_config import SUGGESTIBLE, TrainConfig, suited
from gtk.core.settings.choice import Settings
from gtk.core.settings.plugin_lookup import model_default
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
    train, configs = settings.train, dict(settings.configs)
    if settings.suggestible:
        plugin, config = settings.choice.model, settings.configs["model"]
        suggested = suggestion(plugin, config, data_spec, images)
        open_ones = {name: suggested[name] for name in suggested if name in settings.suggestible}
        settings = replace(settings, suggestible=frozenset(open_ones))
        sampler = open_ones.pop(SAMPLER.name, None)
        if sampler is not None:
            found = find(SAMPLER, sampler)
            settings = replace(settings, choice=replace(settings.choice, sampler=found))
            configs["sampler"] = found.spec.config()
        tables = _by_table(open_ones)
        train = make_config(TrainConfig, suited({**as_table(train), **tables["train"]}), "training")
        for table in ("model", "loss"):
            values = {**as_table(configs[table]), **tables[table]}
            configs[table] = make_config(type(configs[table]), values, table)
    conditional: bool = getattr(settings.choice.conditioner.resolve(), "conditional", True)
    if not conditional and "condition_dropout" in settings.fitted:
        train = replace(train, condition_dropout=0.0)
    return replace(settings, train=train, configs=configs)


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
        PluginError: it fails, or suggests what is not in its spec's `suggests`, or no setting that
            may be suggested, or a wrong value.
    """
    if plugin.spec.suggest is None:
        return {}
    try:
        found = dict(plugin.spec.suggest(config, data_spec, images))
        _check(found, plugin)
    except Exception as error:
        reason = error if isinstance(error, InvalidValue) else f"{type(error).__name__}: {error}"
        raise PluginError(f"{plugin}: its suggest() failed: {reason}.") from error
    return found


def _by_table(suggested: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return suggested settings by table: the trainer's own have no table in their names."""
    tables: dict[str, dict[str, Any]] = {"train": {}, "model": {}, "loss": {}}
    for name, value in suggested.items():
        table, dot, field = name.partition(".")
        tables[table if dot else "train"][field if dot else name] = value
    return tables


def _check(suggested: Mapping[Any, Any], plugin: Plugin[ModelSpec]) -> None:
    """Refuse other settings than those that may be suggested, and wrong values.

    Raises:
        InvalidValue: it says which.
    """
    known = plugin.spec.suggests
    unknown = sorted(str(name) for name in {*suggested} - known)
    if unknown:
        raise InvalidValue(
            f"{unknown[0]!r} is not in its spec's suggests ({', '.join(sorted(known))})"
        )
    suggested = dict(suggested)
    if SAMPLER.name in suggested:
        find(SAMPLER, suggested.pop(SAMPLER.name))
    trainers = sorted(name for name in suggested if "." not in name and name not in SUGGESTIBLE)
    if trainers:
        raise InvalidValue(f"{trainers[0]!r} is none of {', '.join(sorted(SUGGESTIBLE))}")
    configs = {"train": TrainConfig, "model": plugin.spec.config}
    configs["loss"] = model_default(LOSS, plugin).spec.config
    for table, values in _by_table(suggested).items():
        make_config(configs[table], values, "training" if table == "train" else table)
