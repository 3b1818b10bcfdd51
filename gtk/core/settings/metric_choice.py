"""The metrics that are chosen, with their options."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, TypeAlias

from gtk.core.registry.discovery import Plugin, find
from gtk.core.registry.installed import METRIC, OWN_PACKAGE, installed
from gtk.core.registry.options import Option, make_config, options_of
from gtk.core.registry.spec import MetricSpec
from gtk.core.values.argument import shown
from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting

#: A metric's plugin and its config.
MetricChoice: TypeAlias = tuple[Plugin[MetricSpec], Any]


def metric_choice(name: str, options: Mapping[str, Any]) -> MetricChoice:
    """Return a metric and its config.

    Raises:
        UnknownName: there is no such metric, or it has no such option.
        InvalidValue: an option is out of range.
    """
    plugin = find(METRIC, name)
    return plugin, make_config(plugin.spec.config, options, f"metric {plugin.spec.name!r}")


def short_name(name: str) -> str:
    """Return the name of a metric without its package, unless several packages have one of it."""
    bare = find(METRIC, name).spec.name
    return name if sum(item.goes_by(bare) for item in installed(METRIC)) > 1 else bare


def own_metrics() -> list[str]:
    """Return the names of gtk's own metrics, of which those that fit are computed by default."""
    return [f"{OWN_PACKAGE}/{it.name}" for it in installed(METRIC) if it.package == OWN_PACKAGE]


def metric_names(given: Iterable[str] | None) -> list[str]:
    """Return the metrics that a user names, each once; by default gtk's own.

    Raises:
        InvalidValue: there are none, or one is not a string.
    """
    if given is None:
        return own_metrics()
    names = [*given]
    for name in names:
        if not isinstance(name, str):
            raise InvalidValue(f"{setting('metrics')} must be names of metrics, not {shown(name)}")
    if not names:
        raise InvalidValue(f"{setting('metrics')} names no metric. List them: gtk plugins")
    return list(dict.fromkeys(names))


def metric_options(plugin: Plugin[MetricSpec]) -> list[Option]:
    """Return a metric's options, each called METRIC_NAME."""
    return prefixed_options(plugin.spec.name.replace("-", "_"), plugin.spec.config)


def prefixed_options(prefix: str, config: type) -> list[Option]:
    """Return an option for every field of a config class, each called PREFIX_NAME."""
    return options_of({prefix: config}, reserved=[item.name for item in fields(config)])


def metric_choices(names: Iterable[str], given: Mapping[str, Any]) -> list[MetricChoice]:
    """Return metrics with their options among those that are given, each called METRIC_NAME.

    Raises:
        UnknownName: there is no such metric.
        InvalidValue: an option is out of range.
    """
    choices = []
    for name in names:
        options = metric_options(find(METRIC, name))
        values = {it.field: given[it.name] for it in options if it.name in given}
        choices.append(metric_choice(name, values))
    # A metric may be named twice, with its package and without.
    return [*{(choice[0].installed, choice[0].spec.name): choice for choice in choices}.values()]
