"""The options of the metrics that a training computes."""

from collections.abc import Iterable, Mapping
from typing import Any

from gtk.core.registry.discovery import find
from gtk.core.registry.installed import METRIC
from gtk.core.registry.options import Option, as_table, make_config
from gtk.core.registry.train_config import TrainConfig
from gtk.core.settings.metric_choice import metric_choice, metric_options
from gtk.core.settings.recipe import Recipe
from gtk.core.values.errors import InvalidValue, PluginError

#: The options of metrics, all of each one's by name; metrics without options are left out.
MetricTables = dict[str, dict[str, Any]]


def computed_metrics(train: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the metrics in settings of the trainer, with the monitored one's.

    Raises:
        InvalidValue: they are not named by strings, or a word such as none stands among them.
    """
    given = {name: train[name] for name in ("metric",) if name in train}
    names = make_config(TrainConfig, given, "training").metrics
    monitor = train.get("monitor")  # METRIC.FIGURE, or a term of the loss, without a dot
    monitored = monitor.rpartition(".")[0] if isinstance(monitor, str) else ""
    return tuple(dict.fromkeys((*names, monitored) if monitored else names))


def options_of_metrics(
    names: Iterable[str], others: Iterable[Option]
) -> dict[str, dict[str, Option]]:
    """Return the options of each metric by their names, METRIC_NAME.

    Raises:
        UnknownName: there is no such metric.
        PluginError: one of the other options has the same name.
    """
    owners = {option.name: option.table for option in others}
    found = {}
    for name in names:
        options = {option.name: option for option in metric_options(find(METRIC, name))}
        for same in options.keys() & owners.keys():
            raise PluginError(
                f"metric {name!r} and {owners[same]} both have an option "
                f"--{same.replace('_', '-')}: they cannot be used together"
            )
        found[name] = options
    return found


def metric_tables(
    options: Mapping[str, Mapping[str, Option]], recipe: Recipe, given: Mapping[str, Any]
) -> MetricTables:
    """Return the options of metrics: those given by name, else the recipe's, else the defaults.

    Args:
        options: of each metric, from `options_of_metrics`.
        recipe: with options by metric.
        given: values by the names of options.

    Raises:
        InvalidValue: a value of the wrong type or out of range.
    """
    tables = {}
    for name, own in options.items():
        values = {item.field: given[option] for option, item in own.items() if option in given}
        _, config = metric_choice(name, {**preset_options(name, recipe), **values})
        tables[name] = as_table(config)
    return {name: table for name, table in tables.items() if table}


def preset_options(name: str, recipe: Recipe) -> dict[str, Any]:
    """Return a recipe's options of a metric, which it may name with the package or without."""
    metric = find(METRIC, name).installed
    tables = (values for other, values in recipe.metrics.items() if metric.goes_by(other))
    return {key: value for values in tables for key, value in values.items()}


def check_metric_tables(recipe: Recipe, computed: Iterable[str]) -> None:
    """Check a recipe's options of metrics, even if others override them.

    Raises:
        UnknownName: there is no such metric, or it has no such option.
        InvalidValue: a value is wrong, or the recipe computes no such metric.
    """
    for name, values in recipe.metrics.items():
        with recipe.locating(("metric", name)):
            plugin, _ = metric_choice(name, values)
            if not any(plugin.installed == find(METRIC, other).installed for other in computed):
                raise InvalidValue(
                    "the recipe computes no such metric. Name it as metric in [train], or one of "
                    "its figures as monitor"
                )
