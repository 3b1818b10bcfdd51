"""`gtk plugins`: a list of installed plugins, without importing them."""

import click

from gtk.cli.console import print_columns
from gtk.cli.lazy_group import LazyGroup
from gtk.core.registry.installed import KINDS, installed

COMMANDS = {
    "check": "Run the test kit on a plugin.",
    "new": "Write a package with a working plugin, to start your own from.",
}


@click.group(cls=LazyGroup, listed=COMMANDS, prefix="plugins_", invoke_without_command=True)
@click.pass_context
def plugins(ctx: click.Context, /) -> None:
    """List installed plugins, check one, or start your own.

    Without a command: kind, name, package and version of each.
    """
    if ctx.invoked_subcommand is not None:
        return
    found = [item for kind in KINDS for item in installed(kind)]
    rows = [(item.kind, item.name, item.package, item.version) for item in found]
    print_columns(("kind", "name", "package", "version"), rows)
