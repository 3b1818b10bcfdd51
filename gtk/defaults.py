"""What gtk itself brings to a training, by name. Core knows none of it, and torch is not needed."""

from pathlib import Path

from gtk.core.settings.recipe import Recipe, read_recipe
from gtk.core.values.errors import UserError, unknown_name
from gtk.core.values.user_path import user_path

#: What is trained on when nothing is said.
DEFAULT_DATA = "digits"
#: The callback that shows how a training comes along, unless it is to be quiet.
DISPLAY = "progress"
#: The callbacks that draw, in every training; the report, of what the others drew, comes last.
PICTURES = ("samples", "reconstructions", "latents", "curves", "report")
#: Where the recipes are that come with gtk.
RECIPES = Path(__file__).parent / "plugins" / "recipes"


def own_callbacks(*, quiet: bool) -> list[str]:
    """Return the names of the callbacks that every training has, by package."""
    names = PICTURES if quiet else (DISPLAY, *PICTURES)
    return [f"generative-toolkit/{name}" for name in names]


def built_in_names() -> list[str]:
    """Return the names of the recipes that come with gtk."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def find_recipe(reference: str | Path) -> Recipe:
    """Read the recipe that a name or a file means; what ends in .toml or .json is a file.

    Raises:
        UnknownName: there is none of that name; the message has the nearest.
        UserError: the file cannot be read, or is no recipe.
    """
    path = user_path(reference)
    if str(reference).endswith((".toml", ".json")):
        return read_recipe(path)
    if str(reference) in built_in_names():
        return read_recipe(RECIPES / f"{reference}.toml", built_in=True)
    if str(reference) and path.is_dir():
        raise UserError(
            f"{path} is a folder and no recipe: to repeat a run, give its {path / 'run.json'}"
        )
    raise unknown_name(
        "recipe",
        str(reference),
        built_in_names(),
        "List them with: gtk recipes (a file's name ends in .toml or .json)",
    )
