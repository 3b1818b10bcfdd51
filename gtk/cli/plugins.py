"""`gtk plugins`: what is installed, without importing any of it."""

import click

from gtk.cli.console import make_console
from gtk.core.discovery import KINDS, installed


@click.command()
def plugins() -> None:
    """List installed plugins by kind, name, package and version."""
    from rich.table import Table

    table = Table()
    for column in ("kind", "name", "package", "version"):
        table.add_column(column)
    for kind in KINDS:
        for item in installed(kind):
            table.add_row(item.kind, item.name, item.package, item.version)
    make_console().print(table)
