"""`gtk train`: `gtk.train` with the options of the chosen plugins beside its own."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import click

from gtk.cli.config_options import HeadedCommand, click_option, probe
from gtk.cli.json_lines import JsonLines
from gtk.cli.options import (
    RUN_REFERENCE,
    USER_PATH,
    complete_run,
    completer,
    plugin_completer,
    recipe_names,
)
from gtk.cli.train_summary import print_finished, print_networks, print_stopped
from gtk.core.registry.installed import MODEL, installed
from gtk.core.registry.options import Option, options_of
from gtk.core.registry.train_config import TrainConfig
from gtk.core.registry.train_request import ARGUMENTS, TrainRequest
from gtk.core.settings.choice import Choice
from gtk.core.settings.metric_settings import preset_options
from gtk.core.settings.recipe import NO_RECIPE, TABLES
from gtk.core.values.errors import InvalidValue
from gtk.defaults import DEFAULT_DATA
from gtk.train_function import choose, prepare

#: The options that decide which other options there are.
CHOOSING = ("plugin", "recipe", "data", "conditioner", "loss", "sampler")


@dataclass(frozen=True)
class Chosen:
    """What decides which options there are besides gtk's own.

    Attributes:
        choice: the plugins.
        metrics: the options of metrics, by metric and name.
    """

    choice: Choice
    metrics: Mapping[str, Mapping[str, Option]]


class TrainCommand(HeadedCommand):
    """A command with the options of the plugins that --plugin, --recipe and their like name.

    Those of metrics, --METRIC-NAME, are of the metrics that --metric and --monitor name.
    """

    def choose(self, args: list[str]) -> Chosen | None:
        """Find the plugins and metrics where a model or a recipe is named."""
        names = probe([click.Option([f"--{name}"]) for name in CHOOSING], args).params
        if names["plugin"] is None and names["recipe"] is None:
            return None
        choice = choose(TrainRequest(**names))
        metric = click.Option(["--metric"], multiple=True)
        given = probe([metric, click.Option(["--monitor"])], args).params
        metrics = {"metric": ",".join(given["metric"]), "monitor": given["monitor"]}
        named = {name: value for name, value in metrics.items() if value}
        return Chosen(choice, choice.metric_options(named))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse everything; where a model is named without --plugin, suggest it."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            what, _, words = error.message.rstrip(")").partition("(")
            models = {item.name for item in installed(MODEL)} & set(words.split())
            if "unexpected extra argument" in what and models:
                ctx.fail(f"{error.message}. Did you mean --plugin {models.pop()}?")
            raise

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return gtk's own options and those of the chosen plugins."""
        return [*super().get_params(ctx), *_config_options(ctx.obj)]

    def help_record(self, ctx: click.Context, parameter: click.Parameter) -> tuple[str, str] | None:
        """Add the default of an option that chooses something."""
        record, named = super().help_record(ctx, parameter), _named_defaults(ctx.obj)
        if record is not None and parameter.name in named:
            return record[0], f"{record[1]}  [default: {named[parameter.name]}]"
        return record

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options, and the models where none is chosen yet."""
        super().format_options(ctx, formatter)
        if ctx.obj is None:
            names = ", ".join(sorted({item.name for item in installed(MODEL)}))
            formatter.write_paragraph()
            formatter.write_text(
                f"Models: {names}. A model's options are listed with --plugin NAME --help. "
                "Recipes are listed with: gtk recipes"
            )


def _named_defaults(chosen: Chosen | None) -> dict[str, str]:
    """Return the defaults of the options that choose something, where these are names."""
    recipe = NO_RECIPE if chosen is None else chosen.choice.recipe
    named = {"plugin" if table == "model" else table: recipe.plugin(table) for table in TABLES[1:]}
    named["data"] = named["data"] or DEFAULT_DATA
    named["data_root"] = None if recipe.data_root is None else str(recipe.data_root)
    return {flag: name for flag, name in named.items() if name is not None}


def _config_options(chosen: Chosen | None) -> list[click.Option]:
    """Make options from config dataclasses; with the plugins' own defaults where they are known."""
    if chosen is None:
        return [
            click_option(option, option.default, "Training")
            for option in options_of({"train": TrainConfig})
        ]
    choice, result = chosen.choice, []
    for option in choice.options:
        table, heading = option.table, "Training"
        if table != "train":
            kind = "data set" if table == "data" else table
            heading = f"Options of {kind} {choice.plugins[table].spec.name}"
        default = choice.presets[table].get(option.field, option.default)
        known_as = option.field if table == "train" else f"{table}.{option.field}"
        if known_as in choice.suggestible():
            default = "by the data: --dry-run shows it"
        result.append(click_option(option, default, heading))
    for name, options in chosen.metrics.items():
        presets = preset_options(name, choice.recipe)
        for option in options.values():
            default = presets.get(option.field, option.default)
            result.append(click_option(option, default, f"Options of metric {name}"))
    return result


#: How the command line reads what is neither text nor a flag, and how a shell completes it.
TYPES: dict[str, Any] = {
    "data_root": USER_PATH, "runs": USER_PATH, "resume": RUN_REFERENCE, "init_from": RUN_REFERENCE,
}  # fmt: skip
COMPLETERS = {
    "plugin": plugin_completer("model"),
    "recipe": completer(recipe_names, files=True),
    "data": plugin_completer("dataset"),
    "conditioner": plugin_completer("conditioner"),
    "loss": plugin_completer("loss"),
    "sampler": plugin_completer("sampler"),
    "callbacks": plugin_completer("callback"),
    "resume": complete_run,
    "init_from": complete_run,
}


def _request_options() -> list[click.Option]:
    """Make an option of every argument of `gtk.train`."""
    return [
        click.Option(
            [f"--{item.metadata.get('flag', item.name).replace('_', '-')}", item.name],
            type=TYPES.get(item.name),
            shell_complete=COMPLETERS.get(item.name),
            default=item.default,
            is_flag=item.default is False,
            multiple=item.default == (),
            show_default=item.name == "runs",
            is_eager=item.name == "runs",  # a run's name is completed from it
            metavar=item.metadata.get("metavar", None if item.default is False else "NAME"),
            help=item.metadata["help"],
        )
        for item in ARGUMENTS
    ]


@click.command(
    cls=TrainCommand,
    params=[
        *_request_options(),
        click.Option(["--dry-run"], is_flag=True, help="Print the networks and train nothing."),
        click.Option(["--json"], is_flag=True, help="Print one JSON object a line, for programs."),
    ],
)
def train(
    *,
    dry_run: bool,
    json: bool,
    **given: Any,  # noqa: ANN401 - the request's, and each plugin's own
) -> None:
    """Train a model, from its first step or on from a run's last.

    gtk train --plugin cvae

    gtk train --plugin cvae --data mnist --epochs 10 --name first

    gtk train --recipe cvae-mlp --epochs 10

    gtk train --resume first --epochs 20
    """
    if json and (given["quiet"] or dry_run):
        other = "--quiet" if given["quiet"] else "--dry-run"
        raise InvalidValue(f"{other} and --json cannot be used together. Give one of them")
    lines = JsonLines() if json else None
    with lines.watching() if lines else nullcontext():
        training, fit = prepare(_request(given, lines))
        if dry_run:
            print_networks(training)
            return
        try:
            run = fit()
        except KeyboardInterrupt:
            print_stopped(training.run)
            raise
        if lines is None:
            print_finished(run, quiet=given["quiet"])
        else:
            lines.end(run)


def _request(given: dict[str, Any], lines: JsonLines | None) -> TrainRequest:
    """Sort the options into arguments and settings; JSON lines are one more callback."""
    arguments = {item.name: given[item.name] for item in ARGUMENTS}
    options = {
        name: value for name, value in given.items() if value is not None and name not in arguments
    }
    if lines is not None:
        arguments |= {"callbacks": [*arguments["callbacks"], lines], "quiet": True}
    return TrainRequest(**arguments, options=options)
