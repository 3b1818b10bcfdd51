"""Defaults of a training: names of gtk's own plugins and recipes, which the core does not know."""

from pathlib import Path

from gtk.core.settings.recipe import Recipe, read_recipe
from gtk.core.values.errors import UserError, unknown_name
from gtk.core.values.user_path import user_path

#: The default data set.
DEFAULT_DATA = "digits"
#: The callback that shows the progress of a training that is not quiet.
DISPLAY = "progress"
#: The callbacks that draw, in every training; the report comes last, as it shows the others' files.
PICTURES = ("samples", "reconstructions", "latents", "curves", "judging", "report")
#: The metrics that judge samples of a training where nobody names any and they take little time.
FIGURES = ("generative-toolkit/class-accuracy", "generative-toolkit/frechet-distance")
#: The folder of gtk's own recipes.
RECIPES = Path(__file__).parent / "plugins" / "recipes"


def own_callbacks(*, quiet: bool) -> list[str]:
    """Return the qualified names of the callbacks that every training has."""
    names = PICTURES if quiet else (DISPLAY, *PICTURES)
    return [f"generative-toolkit/{name}" for name in names]


def built_in_names() -> list[str]:
    """Return the names of gtk's own recipes."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def find_recipe(reference: str | Path) -> Recipe:
    """Read a recipe by name, or from a file, which ends in .toml or .json.

    Raises:
        UnknownName: no recipe has that name; the message has the nearest.
        UserError: the file cannot be read, or is not a recipe.
    """
    path = user_path(reference, "recipe")
    if str(reference).endswith((".toml", ".json")):
        return read_recipe(path)
    if str(reference) in built_in_names():
        return read_recipe(RECIPES / f"{reference}.toml", built_in=True)
    if str(reference) and path.is_dir():
        raise UserError(
            f"{path} is a folder, not a recipe. To repeat a run, give its {path / 'run.json'}"
        )
    raise unknown_name(
        "recipe",
        str(reference),
        built_in_names(),
        "List them with: gtk recipes (a file's name ends in .toml or .json)",
    )
