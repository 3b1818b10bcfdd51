"""Where a data set comes from: its name and path as a user writes them, and its loading."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtk.core.registry.discovery import DATASET, Plugin, find
from gtk.core.registry.spec import DatasetSpec
from gtk.core.values.errors import GtkError, InvalidValue, PluginError, UnknownName
from gtk.core.values.setting import setting
from gtk.core.values.text import visible
from gtk.core.values.user_path import user_path

if TYPE_CHECKING:  # which needs numpy, and a command that lists options does not
    from gtk.core.values.dataset import Dataset

#: The environment variable that says what the data root is where nobody does.
DATA_VARIABLE = "GENERATIVE_TOOLKIT_DATA"


def split_reference(reference: str | None) -> tuple[str | None, Path | None]:
    """Split NAME or NAME:PATH, a data set and where it is; None is neither.

    Raises:
        InvalidValue: nothing follows the colon.
    """
    name, colon, path = (reference or "").partition(":")
    if colon and not path:
        raise InvalidValue(f"{reference} says no path: write {name}:PATH")
    return (name if colon else reference), (user_path(path) if colon else None)


def find_dataset(name: str) -> Plugin[DatasetSpec]:
    """Find a data set by its name, as `gtk.core.registry.discovery.find` does.

    Raises:
        UnknownName: nothing installed has that name; of a path it says how to write it.
        PluginError: it cannot be used, or several packages claim the name.
    """
    try:
        return find(DATASET, name)
    except UnknownName as error:
        path = user_path(name)
        kind = "folder" if path.is_dir() else "npz" if path.suffix == ".npz" else None
        if kind is None or not path.exists():
            raise
        raise UnknownName(
            f"no data set is called '{visible(name)}'. To read what is there, say "
            f"{kind}:{visible(name)}"
        ) from error


def find_root(spec: DatasetSpec, given: Path | None, path: Path | None) -> Path | None:
    """Return the path to read: the one given, else what the environment says.

    Args:
        spec: the data set's.
        given: apart from its name.
        path: together with its name.

    Raises:
        InvalidValue: one is given for a data set that reads none or given twice, or none for one
            that needs it.
    """
    if given is not None and path is not None:
        raise InvalidValue(f"{spec.name}:{path} says where: leave {setting('data_root')} out")
    given = given or path
    if spec.root == "none" and given is not None:
        raise InvalidValue(f"data set '{spec.name}' is embedded: leave the data root out")
    if spec.root == "required" and given is None:
        raise InvalidValue(f"data set '{spec.name}' is your own: say where it is, {spec.name}:PATH")
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

    try:
        dataset = plugin.resolve()(config, root)
    except GtkError:
        raise
    except Exception as error:
        raise PluginError(
            f"data set '{plugin.spec.name}' of {plugin.installed} failed with "
            f"{type(error).__name__}: {error}."
        ) from error
    if not isinstance(dataset, Dataset):
        raise PluginError(
            f"data set '{plugin.spec.name}' of {plugin.installed} returned "
            f"{type(dataset).__name__} instead of a Dataset."
        )
    return dataset
