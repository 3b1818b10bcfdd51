"""The source of the images: a data set and its path, as the user writes them, and loading it."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtk.core.registry.discovery import Plugin, find
from gtk.core.registry.installed import DATASET
from gtk.core.registry.spec import DatasetSpec
from gtk.core.registry.unknown_plugin import is_path
from gtk.core.values.errors import InvalidValue, PluginError, UnknownName
from gtk.core.values.setting import setting
from gtk.core.values.text import visible
from gtk.core.values.user_path import user_path

if TYPE_CHECKING:  # it imports numpy, which a command that lists options does not need
    from gtk.core.values.dataset import Dataset

#: The environment variable for the default data root.
DATA_VARIABLE = "GENERATIVE_TOOLKIT_DATA"


def split_reference(reference: str | None) -> tuple[str | None, Path | None]:
    """Split a data set given as NAME or NAME:PATH into name and path; both None for None.

    Raises:
        InvalidValue: nothing follows the colon, or what follows cannot be a path.
    """
    if reference is not None and re.match(r"[A-Za-z]:[\\/]", reference):  # a drive of Windows
        return reference, None
    name, colon, path = (reference or "").partition(":")
    if colon and not path:
        raise InvalidValue(f"{reference!r} has no path. Write {name}:PATH.")
    return (name if colon else reference), (user_path(path, "data") if colon else None)


def find_dataset(name: str) -> Plugin[DatasetSpec]:
    """Find a data set by name.

    Raises:
        UnknownName: no data set has that name; for a path the message says how to write it.
        PluginError: it cannot be used, or several packages claim the name.
    """
    try:
        return find(DATASET, name)
    except UnknownName as error:
        path, shown = user_path(name, "data"), visible(name)
        kind = "folder" if path.is_dir() else "npz" if path.suffix == ".npz" else None
        if kind is not None and path.exists():
            remedy = (
                f"To read the images there, use {kind}:{shown}. That is "
                f"{setting('data', kind)} {setting('data_root', name)}."
            )
        elif is_path(name) and not path.exists():
            remedy = (
                f"{shown} does not exist. A folder of images is given as folder:PATH, a file of "
                "arrays as npz:PATH."
            )
        else:
            raise
        raise UnknownName(f"unknown data set '{shown}'. {remedy}") from error


def find_root(spec: DatasetSpec, given: Path | None, path: Path | None) -> Path | None:
    """Return the path that a data set reads: the one given, else the environment's.

    It is `given` as `data_root`, or as the `path` in NAME:PATH.

    Raises:
        InvalidValue: the path is given twice, or for an embedded data set, or is missing.
    """
    if given is not None and path is not None:
        raise InvalidValue(f"{spec.name}:{path} has the path. Leave {setting('data_root')} out.")
    given = given or path
    if spec.root == "none" and given is not None:
        raise InvalidValue(f"data set {spec.name!r} is embedded. Leave the data root out.")
    if spec.root == "required" and given is None:
        raise InvalidValue(f"data set {spec.name!r} needs a path. Use {spec.name}:PATH.")
    if given is None and spec.root == "optional" and os.environ.get(DATA_VARIABLE):
        return user_path(os.environ[DATA_VARIABLE])
    return given


def load_data(plugin: Plugin[DatasetSpec], config: Any, root: Path | None) -> "Dataset":  # noqa: ANN401 - each plugin has a class of its own
    """Load a data set.

    Raises:
        GtkError: the data are not there or cannot be read.
        PluginError: the plugin fails, or returns something else than a `gtk.Dataset`.
    """
    from gtk.core.values.dataset import Dataset

    dataset = plugin.call(config, root)
    if not isinstance(dataset, Dataset):
        raise PluginError(f"{plugin} returned {type(dataset).__name__} instead of a Dataset.")
    return dataset
