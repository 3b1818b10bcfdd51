"""A data set under test, loaded as a training loads it."""

from contextlib import chdir
from pathlib import Path

from gtk.core.registry.options import make_config
from gtk.core.settings.image_source import find_root, load_data, split_reference
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import GtkError, PluginError
from gtk.testing.check import CheckSkipped, Specimen


def load(specimen: Specimen) -> Dataset:
    """Load the data set as a training would.

    Raises:
        GtkError: the data cannot be loaded.
        CheckSkipped: the path to its files is unknown, and they cannot be downloaded.
    """
    spec, path = specimen.plugin.spec, data_path(specimen)
    remedy = f'give a path to some: data="{spec.name}:PATH", or --data {spec.name}:PATH'
    if path is None and spec.root == "required":
        raise CheckSkipped(f"it reads files of the user: {remedy}")
    try:
        return read_dataset(specimen, find_root(spec, None, path))
    except PluginError:
        raise
    except GtkError as error:
        if path is None and spec.root == "optional":
            raise CheckSkipped(f"its files are not available ({error}): {remedy}") from error
        raise


def read_dataset(specimen: Specimen, root: Path | None) -> Dataset:
    """Load the data at a path; the working folder is empty, so that only `root` leads to files."""
    spec, root = specimen.plugin.spec, root and root.absolute()
    config = make_config(spec.config, specimen.options, f"data set {spec.name!r}")
    with chdir(user_folder(specimen)):
        return load_data(specimen.plugin, config, root)


def user_folder(specimen: Specimen) -> Path:
    """Return the working folder in which the data set is loaded."""
    place = specimen.folder / "user"
    place.mkdir(exist_ok=True)
    return place


def loaded(specimen: Specimen) -> Dataset:
    """Return the data set, loaded once for all checks, which must leave it unchanged."""
    return specimen.once("dataset", lambda: load(specimen))


def data_path(specimen: Specimen) -> Path | None:
    """Return the path that `specimen.data` gives with the data set's own name."""
    name, path = split_reference(specimen.data)
    return path if specimen.plugin.installed.goes_by(name or "") else None
