"""Options of the sampler that a command draws with, which the command line or the run names."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from gtk.cli.config_options import HeadedCommand, click_option, probe
from gtk.cli.options import plugin_completer
from gtk.core.registry.options import as_table, options_of
from gtk.core.values.errors import GtkError, UserError
from gtk.exports.file_source import is_exported

if TYPE_CHECKING:
    from gtk.core.settings.choice import SamplerChoice

PREFIX = "sampler_"
FLAG = re.compile(r"--[A-Za-z][A-Za-z0-9-]*", re.ASCII)

sampler_option = click.option(
    "--sampler",
    metavar="NAME",
    shell_complete=plugin_completer("sampler"),
    help="How images are drawn, with its defaults; by default as the run says. Names: gtk plugins.",
)


class DrawingCommand(HeadedCommand):
    """A command with the options of the sampler that --sampler or the run names.

    Each is called --sampler-NAME, and --NAME where the command has no such option.
    """

    def choose(self, args: list[str]) -> tuple[str, Any] | None:
        """Find the name of the sampler and its settings."""
        own = self.params
        known = {"--help", *(flag for option in own for flag in option.opts)}
        # Their values must not be taken for the run.
        unknown = [arg.partition("=")[0] for arg in args if arg.startswith("--")]
        others = [
            click.Option([flag])
            for flag in dict.fromkeys(unknown)
            if FLAG.fullmatch(flag) and flag not in known
        ]
        try:
            given = probe([*own, *others], args).params
        except click.UsageError:
            return None  # the command itself reports it
        source = given.get("source") or given.get("run")
        if source is None:
            return None
        if is_exported(source):
            return _of_file(given["sampler"])
        from gtk.core.storage.runs import find_run

        try:
            run = find_run(source, given["runs"])
            choice: SamplerChoice | None = run.settings.sampler_choice(given["sampler"], {})
        except UserError:
            choice = _usual(given["sampler"])
        return choice and (choice[0].spec.name, choice[1])

    def sampler(self, ctx: click.Context) -> tuple[str, Any] | None:
        """Return what `choose` found of a sampler."""
        found: tuple[str, Any] | None = ctx.obj
        return found

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own options and those of the sampler."""
        params, sampler = super().get_params(ctx), self.sampler(ctx)
        taken = {flag for param in params for flag in (*param.opts, *param.secondary_opts)}
        return [*params, *(_options(sampler, taken) if sampler else ())]


def _usual(name: str | None) -> "SamplerChoice | None":
    """Return a sampler with its defaults; that no run is found, the command itself reports."""
    from gtk.core.registry.discovery import find
    from gtk.core.registry.installed import SAMPLER
    from gtk.core.registry.spec import ModelSpec

    try:
        plugin = find(SAMPLER, name or ModelSpec.sampler)
    except GtkError:
        return None
    return plugin, plugin.spec.config()


def _of_file(name: str | None) -> tuple[str, Any]:
    """Return a solver and its options: a denoiser draws by any, and others refuse all of them."""
    from gtk.core.values.solvers import SOLVERS
    from gtk.exports.runtime.denoiser import USUAL

    known = name if name is not None and name in SOLVERS else USUAL
    return f"{known}, of denoisers", SOLVERS[known].config()


def _options(choice: tuple[str, Any], taken: set[str]) -> Sequence[click.Option]:
    """Make an option of each field of a sampler's config."""
    name, config = choice
    values, made = as_table(config), []
    for field in options_of({"sampler": type(config)}):
        long = replace(field, name=PREFIX + field.field)
        heading = f"Options of sampler {name}"
        option = click_option(long, values[field.field], heading)
        bare = f"--{field.field.replace('_', '-')}"
        if bare not in taken:
            option.opts.insert(0, bare)
        made.append(option)
    return made


def sampler_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sampler's options that were given, by field, of a command's arguments."""
    return {
        name.removeprefix(PREFIX): value
        for name, value in given.items()
        if name.startswith(PREFIX) and value is not None
    }
