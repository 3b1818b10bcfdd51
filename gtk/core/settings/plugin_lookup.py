"""Find the plugins of a training: those the user names, else the recipe's, else defaults."""

from gtk.core.registry.discovery import Plugin, SpecType, find, find_default
from gtk.core.registry.installed import DATASET, MODEL, OWN_PACKAGE, Kind, installed
from gtk.core.registry.spec import DatasetSpec, ModelSpec
from gtk.core.settings.recipe import NO_RECIPE, Recipe
from gtk.core.values.errors import InvalidValue, PluginError, UnknownName
from gtk.core.values.setting import setting


def find_model(name: str | None, recipe: Recipe) -> Plugin[ModelSpec]:
    """Find the model that the user names, else the recipe's; one of them must."""
    model = find_named(MODEL, name, recipe)
    if model is not None:
        return model
    plugin = setting("plugin", example="NAME")
    if recipe is not NO_RECIPE:
        raise InvalidValue(
            f"{recipe.path} names no model: write name = ... below [model], or give {plugin}"
        )
    names = ", ".join(sorted({item.name for item in installed(MODEL)}))
    raise InvalidValue(f"name the model to train: {plugin}. Installed: {names}")


def find_named(kind: Kind[SpecType], name: str | None, recipe: Recipe) -> Plugin[SpecType] | None:
    """Find the plugin that the user names, else the recipe's; None if neither names one."""
    if name is not None:
        return find(kind, name)
    table = "data" if kind is DATASET else kind.name
    wanted = recipe_name(table, recipe)
    if wanted is None:
        return None
    with recipe.locating(table, "name"):
        return find(kind, wanted)


def recipe_name(table: str, recipe: Recipe) -> str | None:
    """Return the plugin's name in a recipe; a built-in recipe means gtk's own plugins."""
    name = recipe.plugin(table)
    return f"{OWN_PACKAGE}/{name}" if name is not None and recipe.built_in else name


def default_dataset(name: str | None) -> Plugin[DatasetSpec]:
    """Find the data set that is used where none is named, if there is one."""
    if name is None:
        raise InvalidValue(f"name the data to train on: {setting('data', example='NAME')}")
    return find_default(DATASET, name)


def model_default(kind: Kind[SpecType], model: Plugin[ModelSpec]) -> Plugin[SpecType]:
    """Find the conditioner or the loss that the model's spec names.

    Raises:
        PluginError: it is not installed.
    """
    try:
        return find_default(kind, getattr(model.spec, kind.name), model.installed.package)
    except UnknownName as error:
        raise PluginError(f"{model} needs a {kind.name} that is not installed: {error}") from error
