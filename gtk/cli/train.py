"""`gtk train`: the options of the chosen plugins beside gtk's own, then `core.training`."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from gtk.cli.json_lines import JsonLines
from gtk.cli.options import (
    HeadedCommand,
    PluginName,
    RecipeReference,
    RunReference,
    click_option,
    runs_option,
)
from gtk.cli.train_summary import print_finished, print_networks, print_stopped
from gtk.core.registry.discovery import MODEL, installed
from gtk.core.registry.train_config import REQUEST_NAMES
from gtk.core.settings.choice import DEFAULT_DATA, Choice
from gtk.core.settings.recipe import NO_RECIPE, TABLES, find_recipe
from gtk.core.storage.run import Run
from gtk.core.storage.runs import RunPlace, find_run
from gtk.core.values.errors import InvalidValue, UserError

if TYPE_CHECKING:  # `gtk train --help` must not import torch
    from gtk.core.training.training import Training

COMMANDLINE = ParameterSource.COMMANDLINE
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
                recipe = NO_RECIPE if names["recipe"] is None else find_recipe(names["recipe"])
                ctx.obj = Choice.by_name(
                    names["plugin"], names["data"], names["conditioner"], names["loss"], recipe
                )
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
            click.Option(["--plugin"]),
            click.Option(["--recipe"]),
            click.Option(["--data"]),
            click.Option(["--conditioner"]),
            click.Option(["--loss"]),
        ],
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    return probe.make_context("probe", list(args), resilient_parsing=True).params


def _config_options(choice: Choice | None) -> list[click.Option]:
    """Make options from config dataclasses; with the plugins' own defaults where they are known."""
    if choice is None:
        from gtk.core.registry.options import options_of
        from gtk.core.registry.train_config import TrainConfig

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


@click.command(cls=TrainCommand)
@click.option("--plugin", type=PluginName("model"), metavar="NAME", help="The model to train.")
@click.option(
    "--recipe",
    type=RecipeReference(),
    metavar="NAME|FILE",
    help="Settings from a recipe, a TOML file or a run's run.json; every other option beats it.",
)
@click.option(
    "--data",
    type=PluginName("dataset"),
    metavar="NAME[:PATH]",
    help="The data set to train on; a PATH says where it is, as in folder:photos.",
)
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A folder with the data set's files; only read. By default what GENERATIVE_TOOLKIT_DATA "
    "says; else they are downloaded.",
)
@click.option(
    "--conditioner",
    type=PluginName("conditioner"),
    metavar="NAME",
    help="How the condition gets in; by default as the model wants it. Names: gtk plugins.",
)
@click.option(
    "--loss",
    type=PluginName("loss"),
    metavar="NAME",
    help="What is played for; by default as the model wants it. Names: gtk plugins.",
)
@click.option("--name", metavar="NAME", help="The run becomes DIR/NAME; by default numbered.")
@runs_option
@click.option(
    "--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, ... By default auto, or a run's own."
)
@click.option(
    "--callback",
    multiple=True,
    type=PluginName("callback"),
    metavar="NAME",
    help="One more callback; can be repeated.",
)
@click.option(
    "--resume",
    type=RunReference(),
    metavar="RUN",
    help="Go on with this run; --epochs can make it longer.",
)
@click.option("--dry-run", is_flag=True, help="Print the networks and train nothing.")
@click.option("--overwrite", is_flag=True, help="Replace an older run of that name.")
@click.option("--quiet", is_flag=True, help="Print only the run's folder.")
@click.option("--json", is_flag=True, help="Print one JSON object a line, for programs.")
@click.pass_context
def train(
    ctx: click.Context,
    /,
    *,
    runs: Path,
    resume: str | None,
    dry_run: bool,
    quiet: bool,
    json: bool,
    **options: Any,  # noqa: ANN401 - each plugin has options of its own
) -> None:
    """Train a model, from its first step or on from a run's last.

    gtk train --plugin cvae

    gtk train --plugin cvae --data mnist --epochs 10 --name first

    gtk train --recipe cvae-mlp --epochs 10

    gtk train --resume first --epochs 20
    """
    if json and (quiet or dry_run):
        raise InvalidValue(
            f"--{'quiet' if quiet else 'dry-run'} prints something else than --json: give one of "
            "the two"
        )
    # What has a name in REQUEST_NAMES is read from the context where it is needed.
    given = {
        key: value
        for key, value in options.items()
        if value is not None and key not in REQUEST_NAMES
    }
    lines = JsonLines() if json else None
    with lines or nullcontext():
        if resume is not None:
            training, fit = _resumed(ctx, given, find_run(resume, runs), lines)
        elif ctx.obj is None:
            names = ", ".join(sorted({item.name for item in installed(MODEL)}))
            raise InvalidValue(f"say which model to train: --plugin NAME. Installed: {names}")
        else:
            training, fit = _new(ctx, given, lines)
        if dry_run:
            print_networks(training)
            return
        try:
            run = fit()
        except KeyboardInterrupt:
            print_stopped(training.run)
            raise
        if lines is None:
            print_finished(run, quiet=quiet)
        else:
            lines.end(run)


def _callbacks(ctx: click.Context, lines: JsonLines | None) -> list[object]:
    """Return what watches the training: with JSON lines, they are what shows how it comes along."""
    from gtk.core.training.training import find_callbacks

    chosen = ctx.params["callback"]
    if lines is None:
        return find_callbacks(chosen, quiet=ctx.params["quiet"])
    return find_callbacks([*chosen, lines], quiet=True)


def _new(
    ctx: click.Context, given: Mapping[str, Any], lines: JsonLines | None
) -> "tuple[Training, Callable[[], Run]]":
    """Prepare a new training; return it and what starts it."""
    from gtk.core.training.training import Training

    wanted, choice = ctx.params, ctx.obj
    callbacks = _callbacks(ctx, lines)
    settings = choice.settle(given, wanted["data_root"])
    place = RunPlace(wanted["runs"], wanted["name"], wanted["overwrite"])
    place.check(settings)
    training = Training(settings, wanted["device"], callbacks)
    return training, lambda: training.start(place)


def _resumed(
    ctx: click.Context, given: Mapping[str, Any], run: Run, lines: JsonLines | None
) -> "tuple[Training, Callable[[], Run]]":
    """Prepare to go on with a run; return the training and what starts it."""
    from gtk.core.training.training import refuse_changes, resumed_training

    wanted = ctx.params
    fixed = ("recipe", "plugin", "data", "conditioner", "loss", "name", "overwrite")
    typed = [name for name in fixed if ctx.get_parameter_source(name) is COMMANDLINE]
    refuse_changes([*typed, *given])
    callbacks = _callbacks(ctx, lines)
    training = resumed_training(
        run,
        epochs=given.get("epochs"),
        data_root=wanted["data_root"],
        device=wanted["device"],
        callbacks=callbacks,
    )
    return training, lambda: training.go_on(run)
