"""The data that a run was trained on, loaded again."""

from dataclasses import replace
from pathlib import Path

from gtk.core.settings.image_source import find_root, load_data
from gtk.core.storage.run_document import image_counts
from gtk.core.storage.stored_run import StoredRun
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting
from gtk.core.values.text import visible


def check_place(run: StoredRun) -> None:
    """Check that a run's data are still where they were.

    Raises:
        InvalidValue: nothing is there.
    """
    data_root = run.settings.data_root
    if data_root is not None and not data_root.exists():
        raise InvalidValue(
            f"the data of {run.path} are not in {visible(data_root)} any more: if they were moved, "
            f"name their place with {setting('data_root')}"
        )


def load_again(run: StoredRun, data_root: Path | None, remedy: str = "") -> Dataset:
    """Load the data that a run was trained on.

    Args:
        run: the run.
        data_root: where the data are now; by default where they were.
        remedy: what else to do where they have changed.

    Raises:
        GtkError: the data cannot be read, or have changed since.
    """
    choice, root = run.settings.choice, run.settings.data_root
    if data_root is None:
        check_place(run)
    else:
        root = find_root(choice.dataset.spec, data_root, None)
    dataset = load_data(choice.dataset, run.settings.configs["data"], root)
    # The data are named after their folder, which may have been renamed.
    if replace(dataset.spec, name=run.data_spec.name) != run.data_spec:
        raise InvalidValue(
            f"data set {dataset.spec.name!r} has other classes or another image size than when "
            f"{run.path} was trained on it. Restore the data{remedy}"
        )
    return dataset


def check_unchanged(run: StoredRun, data: Dataset, remedy: str = "") -> str:
    """Check that a run's data have as many images as they had in its training.

    Returns:
        A note where the files have changed otherwise, or were copied; "" where they have not.

    Raises:
        InvalidValue: there are more images, or fewer.
    """
    then, now = run.document.get("images"), image_counts(data)
    if then not in (None, now):
        raise InvalidValue(
            f"{run.path} was trained on {then['train']:,} images beside {then['test']:,} test "
            f"images, and now there are {now['train']:,} and {now['test']:,}. Put the images "
            f"back{remedy}"
        )
    before = run.document.get("content")
    if before and data.content and before != data.content:
        return "the files of the data have changed since the training, or were copied"
    return ""
