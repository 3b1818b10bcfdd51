"""`gtk plugins`: what is installed, without importing any of it."""

import click

from gtk.cli.console import make_console
from gtk.cli.lazy_group import LazyGroup
from gtk.core.registry.discovery import KINDS, installed

COMMANDS = {
    "check": "Run the test kit on a plugin: does it keep what the contracts promise?",
    "new": "Write a package with a plugin that works, to begin one of your own.",
}


@click.group(cls=LazyGroup, listed=COMMANDS, prefix="plugins_", invoke_without_command=True)
@click.pass_context
def plugins(ctx: click.Context, /) -> None:
    """List installed plugins, check one, or begin one of your own.

    Without a command: kind, name, package and version of each.
    """
    if ctx.invoked_subcommand is None:
        _print_list()


def _print_list() -> None:
    from rich.table import Table

    table = Table()
    for column in ("kind", "name", "package", "version"):
        table.add_column(column)
    for kind in KINDS:
        for item in installed(kind):
            table.add_row(item.kind, item.name, item.package, item.version)
    make_console().print(table)
