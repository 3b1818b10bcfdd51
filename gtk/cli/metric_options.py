"""Options of what `gtk evaluate` computes and compares with, beside those of the sampler."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from gtk.cli.config_options import click_option, probe
from gtk.cli.sampler_options import DrawingCommand
from gtk.core.registry.discovery import find
from gtk.core.registry.installed import METRIC
from gtk.core.registry.options import Option
from gtk.core.settings.metric_choice import metric_names, metric_options, prefixed_options
from gtk.evaluate_request import AGAINST, images_at, named_data


def split_metrics(given: str | None) -> list[str] | None:
    """Return the names that --metrics has, None where it is not given."""
    return None if given is None else [*filter(None, map(str.strip, given.split(",")))]


@dataclass(frozen=True)
class Chosen:
    """What decides which options there are besides the command's own.

    Attributes:
        sampler: its name and its settings, None where nothing is drawn.
        headed: options of the metrics and of the data, with the heading of each.
    """

    sampler: tuple[str, Any] | None
    headed: Sequence[tuple[str, Option]]


class EvaluatingCommand(DrawingCommand):
    """A command with options of the sampler, of each metric, --METRIC-NAME, and of the data."""

    def choose(self, args: list[str]) -> Any:  # noqa: ANN401 - as the base says
        """Find the options of the sampler, the metrics and the data."""
        given = probe(self.params, args).params
        headed = []
        for name in metric_names(split_metrics(given["metrics"])):
            plugin = find(METRIC, name)
            heading = f"Options of metric {plugin.spec.name}"
            headed += [(heading, option) for option in metric_options(plugin)]
        if given["against"] is not None:
            spec = named_data(given["against"])[0].spec
            heading = f"Options of data set {spec.name}"
            headed += [(heading, option) for option in prefixed_options(AGAINST, spec.config)]
        images = given["source"] is not None and images_at(given["source"], given["runs"])
        return Chosen(None if images else super().choose(args), headed)

    def sampler(self, ctx: click.Context) -> tuple[str, Any] | None:
        """Return what `choose` found of a sampler."""
        return ctx.obj.sampler if ctx.obj else None

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own options, the sampler's, the metrics' and the data's."""
        headed = ctx.obj.headed if ctx.obj else ()
        added = [click_option(option, option.default, heading) for heading, option in headed]
        return [*super().get_params(ctx), *added]
