"""`gtk recipes`: the recipes that come with gtk, and their text."""

import click

from gtk.cli.console import print_columns, print_text
from gtk.cli.options import completer, recipe_names
from gtk.core.settings.recipe import Recipe
from gtk.core.values.errors import unknown_name
from gtk.core.values.text import counted
from gtk.defaults import built_in_names, find_recipe


@click.command()
@click.argument("name", required=False, shell_complete=completer(recipe_names))
def recipes(*, name: str | None) -> None:
    """List recipes by name, data, model and summary, or print one.

    Published figures are those that gtk reproduce NAME checks.

    Start one of your own: gtk recipes cvae-mlp > mine.toml
    """
    if name is not None:
        if name not in built_in_names():
            raise unknown_name("recipe", name, built_in_names())
        print_text(find_recipe(name).text)
        return
    found = [find_recipe(known) for known in built_in_names()]
    print_columns(("name", "data", "model", "published", "summary"), [*map(_row, found)])


def _row(recipe: Recipe) -> tuple[str, ...]:
    """Return the cells of a recipe."""
    published = recipe.published
    figures = "-" if published is None else counted(len(published.figures), "figure")
    plugins = recipe.plugin("data") or "-", recipe.plugin("model") or "-"
    return str(recipe.name), *plugins, figures, recipe.summary
