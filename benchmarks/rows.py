"""The rows of the table: networks, each described by a recipe of gtk's or one in `networks`."""

import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
#: The five recipes.
SYSTEMS = ("cvae-mlp", "vae-mlp", "vae-2d", "cgan-conv", "vae-conv")
#: Larger networks, of which no tutorial is known: the plain loop has the same layers.
LARGER = ("vae-group", "cvae-group", "gan-group")
#: Images: (channels, side).
SHAPES = {"mnist": (1, 28), "cifar10": (3, 32), "digits": (1, 8)}
CLASSES = 10


def recipe_file(name: str) -> Path:
    """Return the file that describes a row's networks: that of a name, or a path as it is."""
    if name.endswith(".toml"):
        return Path(name)
    own = HERE / "networks" / f"{name}.toml"
    return own if own.exists() else HERE.parent / "gtk" / "plugins" / "recipes" / f"{name}.toml"


def read_row(name: str) -> dict[str, Any]:
    """Return a row's recipe."""
    return tomllib.loads(recipe_file(name).read_text())


def report_every(name: str, device: str = "cpu") -> int:
    """Return the steps between two reports: few where a step takes long, so that blocks can end.

    A GPU's steps take a millisecond or two, so that to report each would be what is measured.
    """
    few, many = (1, 25) if device == "cpu" else (50, 200)
    return many if read_row(name)["model"]["network"] == "mlp" else few
