"""The metrics that are chosen, with their options."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from gtk.core.registry.discovery import Plugin, find
from gtk.core.registry.installed import METRIC, OWN_PACKAGE, installed
from gtk.core.registry.options import make_config
from gtk.core.registry.spec import MetricSpec

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


def own_metrics() -> list[str]:
    """Return the names of gtk's own metrics, of which those that fit are computed by default."""
    return [f"{OWN_PACKAGE}/{it.name}" for it in installed(METRIC) if it.package == OWN_PACKAGE]
