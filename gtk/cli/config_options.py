"""Options that are made from the config dataclasses of the plugins a command line names."""

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

import click

from gtk.cli.console import visible_lines
from gtk.cli.options import several
from gtk.core.registry.options import Option
from gtk.core.values.by_part import ByPart, PartNumber
from gtk.core.values.decays import Decays
from gtk.core.values.errors import UserError
from gtk.core.values.interval import Interval

#: How help shows what an option of several values takes.
METAVARS: dict[Any, str] = {
    tuple[int, ...]: "INTEGERS",
    tuple[float, ...]: "NUMBERS",
    PartNumber: "FLOAT|PART=FLOAT,...",
    Decays: "FLOAT,...",
    Interval: "STEPS|N epochs",
}


class HeadedOption(click.Option):
    """An option made from a config field, and the heading under which it is listed."""

    heading = ""


class HeadedCommand(click.Command):
    """A command whose plugins add options, each plugin's under a heading of its own."""

    def choose(self, args: list[str]) -> Any:  # noqa: ANN401 - each command's own
        """Return what decides which other options there are, for `ctx.obj`; None for nothing."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the plugins, then parse everything."""
        try:
            ctx.obj = self.choose(args)
        except UserError:
            if not ctx.resilient_parsing:  # while a shell completes a word, print nothing
                raise
        return super().parse_args(ctx, args)

    def get_help(self, ctx: click.Context) -> str:
        """Return the help, whose defaults may be those of a recipe from anywhere."""
        return visible_lines(super().get_help(ctx))

    def help_record(self, ctx: click.Context, parameter: click.Parameter) -> tuple[str, str] | None:
        """Return how an option is typed and what it does, None for an argument."""
        return parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options, gtk's own first."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = self.help_record(ctx, parameter)
            if record is not None:
                heading = parameter.heading if isinstance(parameter, HeadedOption) else "Options"
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def probe(params: list[click.Parameter], args: list[str]) -> click.Context:
    """Parse some of a command's parameters, and pass over everything else in `args`."""
    command = click.Command(
        "probe",
        params=params,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    return command.make_context("probe", list(args), resilient_parsing=True)


def click_option(option: Option, default: Any, heading: str) -> click.Option:  # noqa: ANN401 - of any type
    """Turn a config field into an option that is None unless given; its help names its default."""
    kind, flag, metavar = option.type, option.flag, None
    if kind is bool:
        flag, kind = f"{flag}/--no-{flag.removeprefix('--')}", None
    elif get_origin(kind) is Literal:
        kind = click.Choice(get_args(kind))
    elif kind in METAVARS:
        kind, metavar = several(kind), METAVARS[kind]
    words = kind == tuple[str, ...]  # given several times, or with commas
    default = ByPart(default) if isinstance(default, Mapping) else default
    shown = ",".join(map(str, default)) if isinstance(default, tuple | list) else str(default)
    text = f"{option.help}  [default: {shown}]" if shown else option.help
    made = HeadedOption(
        [flag, option.name],
        type=str if words else kind,
        multiple=words,
        callback=(lambda _, __, given: ",".join(given) if given else None) if words else None,
        default=None,
        help=text,
        metavar=metavar,
    )
    made.heading = heading
    return made
