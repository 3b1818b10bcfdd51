"""`gtk recipes`: the recipes that come with gtk, and what is in them."""

import click

from gtk.cli.console import make_console
from gtk.cli.options import RecipeReference
from gtk.core.values.errors import unknown_name
from gtk.defaults import built_in_names, find_recipe


@click.command()
@click.argument("name", required=False, type=RecipeReference(files=False))
def recipes(*, name: str | None) -> None:
    """List recipes by name, data, model and summary, or print one.

    Start one of your own: gtk recipes cvae-mlp > mine.toml
    """
    if name is None:
        _print_list()
    elif name in built_in_names():
        click.echo(find_recipe(name).text, nl=False)
    else:
        raise unknown_name("recipe", name, built_in_names())


def _print_list() -> None:
    from rich.table import Table

    table = Table()
    for column in ("name", "data", "model", "summary"):
        table.add_column(column)
    for name in built_in_names():
        recipe = find_recipe(name)
        table.add_row(name, recipe.plugin("data"), recipe.plugin("model"), recipe.summary)
    make_console().print(table)
