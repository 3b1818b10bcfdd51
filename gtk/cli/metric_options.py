"""Options of the metrics that `gtk evaluate` computes, beside those of the sampler."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import click

from gtk.cli.config_options import click_option, probe
from gtk.cli.evaluated import images_at
from gtk.cli.sampler_options import DrawingCommand
from gtk.core.registry.discovery import Plugin, find
from gtk.core.registry.installed import METRIC
from gtk.core.registry.options import Option, options_of
from gtk.core.settings.metric_choice import MetricChoice, metric_choice, own_metrics
from gtk.core.values.errors import InvalidValue


def metric_names(given: str | None) -> list[str]:
    """Return the metrics that --metrics names, each once; by default gtk's own."""
    if given is None:
        return own_metrics()
    names = list(dict.fromkeys(filter(None, map(str.strip, given.split(",")))))
    if not names:
        raise InvalidValue("--metrics names no metric. List them: gtk plugins")
    return names


@dataclass(frozen=True)
class Chosen:
    """What decides which options there are besides the command's own.

    Attributes:
        sampler: its name and its settings, None where nothing is drawn.
        metrics: the plugins.
    """

    sampler: tuple[str, Any] | None
    metrics: Sequence[Plugin[Any]]


class EvaluatingCommand(DrawingCommand):
    """A command with the options of each metric, --METRIC-NAME, and of the sampler."""

    def choose(self, args: list[str]) -> Any:  # noqa: ANN401 - as the base says
        """Find the sampler's options, and the metrics."""
        given = probe(self.params, args).params
        metrics = [find(METRIC, name) for name in metric_names(given["metrics"])]
        images = given["source"] is not None and images_at(given["source"], given["runs"])
        return Chosen(None if images else super().choose(args), metrics)

    def sampler(self, ctx: click.Context) -> tuple[str, Any] | None:
        """Return what `choose` found of a sampler."""
        return ctx.obj.sampler if ctx.obj else None

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own options, the sampler's and the metrics'."""
        metrics = ctx.obj.metrics if ctx.obj else ()
        added = [option for plugin in metrics for option in _options(plugin)]
        return [*super().get_params(ctx), *added]


def _fields(plugin: Plugin[Any]) -> list[Option]:
    """Return a metric's options, each called METRIC_NAME."""
    config, table = plugin.spec.config, plugin.spec.name.replace("-", "_")
    return options_of({table: config}, reserved=[item.name for item in fields(config)])


def _options(plugin: Plugin[Any]) -> list[click.Option]:
    heading = f"Options of metric {plugin.spec.name}"
    return [click_option(field, field.default, heading) for field in _fields(plugin)]


def chosen_metrics(names: str | None, given: Mapping[str, Any]) -> list[MetricChoice]:
    """Return the metrics that --metrics names, with their options among a command's arguments."""
    choices = [_with_options(name, given) for name in metric_names(names)]
    # A metric may be named twice, with its package and without.
    return [*{(choice[0].installed, choice[0].spec.name): choice for choice in choices}.values()]


def _with_options(name: str, given: Mapping[str, Any]) -> MetricChoice:
    fields = _fields(find(METRIC, name))
    values = {it.field: given[it.name] for it in fields if given.get(it.name) is not None}
    return metric_choice(name, values)
