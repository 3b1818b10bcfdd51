"""A group of commands that imports a command when it is named, not when it is listed."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """A group whose commands have a module each.

    Args:
        listed: a summary of each command, by name, in order.
        prefix: the module and the function of a command are called this and its name.
        values: as `click.Group` takes them.
    """

    def __init__(self, *, listed: Mapping[str, str], prefix: str = "", **values: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(**values)
        self._listed = listed
        self._prefix = prefix

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in order."""
        return list(self._listed)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one command."""
        if cmd_name not in self._listed:
            return None
        name = f"{self._prefix}{cmd_name}"
        command: click.Command = getattr(import_module(f"gtk.cli.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._listed.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is named; suggest the nearest for a misspelt one."""
        name = args[0]
        if name not in self._listed and not name.startswith("-") and not ctx.resilient_parsing:
            from gtk.core.registry.suggestion import COMMANDS, suggestion  # only errors need it

            near = suggestion(name, self._listed, COMMANDS)
            ctx.fail(f"No such command {name!r}.{near}")
        return super().resolve_command(ctx, args)
