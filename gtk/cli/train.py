"""`gtk train`: `gtk.train` with the options of the chosen plugins beside its own."""

from contextlib import nullcontext
from typing import Any

import click

from gtk.cli.json_lines import JsonLines
from gtk.cli.options import (
    HeadedCommand,
    PluginName,
    RecipeReference,
    RunReference,
    UserPath,
    click_option,
)
from gtk.cli.train_summary import print_finished, print_networks, print_stopped
from gtk.core.registry.discovery import MODEL, installed
from gtk.core.registry.options import options_of
from gtk.core.registry.train_config import TrainConfig
from gtk.core.registry.train_request import ARGUMENTS, TrainRequest
from gtk.core.settings.choice import Choice
from gtk.core.settings.recipe import NO_RECIPE, TABLES
from gtk.core.values.errors import InvalidValue, UserError
from gtk.defaults import DEFAULT_DATA
from gtk.train_function import choose, prepare

HEADINGS = {
    "train": "Training",
    "data": "Options of data set",
    "model": "Options of model",
    "conditioner": "Options of conditioner",
    "loss": "Options of loss",
}


class TrainCommand(HeadedCommand):
    """Looks for --plugin, --recipe and their like first: the chosen plugins add their options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the plugins, then parse everything."""
        names = _probe(args)
        if names["plugin"] is not None or names["recipe"] is not None:
            try:
                ctx.obj = choose(TrainRequest(**names))
            except UserError:
                if not ctx.resilient_parsing:  # while completing a word, say nothing
                    raise
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
        """Add what an option that chooses something is unless given."""
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


def _named_defaults(choice: Choice | None) -> dict[str, str]:
    """Return what options that choose something are unless given, where that is a name."""
    recipe = NO_RECIPE if choice is None else choice.recipe
    flags = {"model": "plugin", **{table: table for table in TABLES[1:] if table != "model"}}
    named = {flag: recipe.plugin(table) for table, flag in flags.items()}
    named["data"] = named["data"] or DEFAULT_DATA
    named["data_root"] = None if recipe.data_root is None else str(recipe.data_root)
    return {flag: name for flag, name in named.items() if name is not None}


def _probe(args: list[str]) -> dict[str, Any]:
    """Read the options that decide which other options there are, and pass over everything else."""
    probe = click.Command(
        "probe",
        params=[
            click.Option([f"--{name}"])
            for name in ("plugin", "recipe", "data", "conditioner", "loss")
        ],
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    return probe.make_context("probe", list(args), resilient_parsing=True).params


def _config_options(choice: Choice | None) -> list[click.Option]:
    """Make options from config dataclasses; with the plugins' own defaults where they are known."""
    if choice is None:
        return [
            click_option(option, option.default, HEADINGS["train"])
            for option in options_of({"train": TrainConfig})
        ]
    result = []
    for option in choice.options:
        heading = HEADINGS[option.table]
        default = choice.presets[option.table].get(option.field, option.default)
        if option.table != "train":
            heading = f"{heading} {choice.plugins[option.table].spec.name}"
        result.append(click_option(option, default, heading))
    return result


#: How the command line reads what is not a text or a flag, and completes it.
TYPES: dict[str, click.ParamType[Any]] = {
    "plugin": PluginName("model"),
    "recipe": RecipeReference(),
    "data": PluginName("dataset"),
    "data_root": UserPath(),
    "conditioner": PluginName("conditioner"),
    "loss": PluginName("loss"),
    "runs": UserPath(),
    "callbacks": PluginName("callback"),
    "resume": RunReference(),
}


def _request_options() -> list[click.Option]:
    """Make an option of every argument of `gtk.train`."""
    return [
        click.Option(
            [f"--{item.metadata.get('flag', item.name).replace('_', '-')}", item.name],
            type=TYPES.get(item.name),
            default=item.default,
            is_flag=item.default is False,
            multiple=item.default == (),
            show_default=item.name == "runs",
            is_eager=item.name == "runs",  # from which a run's name is completed
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
        raise InvalidValue(
            f"--{'quiet' if given['quiet'] else 'dry-run'} prints something else than --json: "
            "give one of the two"
        )
    lines = JsonLines() if json else None
    with lines or nullcontext():
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
    """Sort what was given; JSON lines are a callback that shows how the training comes along."""
    arguments = {item.name: given[item.name] for item in ARGUMENTS}
    options = {
        name: value for name, value in given.items() if value is not None and name not in arguments
    }
    if lines is not None:
        arguments |= {"callbacks": [*arguments["callbacks"], lines], "quiet": True}
    return TrainRequest(**arguments, options=options)
