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


def check_counts(run: StoredRun, data: Dataset, so: str = "", remedy: str = "") -> None:
    """Check that a run's data have as many images as they had in its training.

    Args:
        run: the run, which may be of an older version that did not note them.
        data: its data as they are now.
        so: what cannot be done otherwise, for the message.
        remedy: what else to do.

    Raises:
        InvalidValue: there are more images, or fewer.
    """
    then, now = run.document.get("images"), image_counts(data)
    for split, done in (("train", "trained"), ("test", "tested")):
        if then is not None and then[split] != now[split]:
            raise InvalidValue(
                f"{run.path} was {done} on {then[split]:,} images, and now there are "
                f"{now[split]:,}{so}. Put the images back{remedy}"
            )


def has_changed_files(run: StoredRun, data: Dataset) -> bool:
    """Return whether the files of a run's data have changed since its training, or were copied."""
    before = run.document.get("content")
    return bool(before and data.content and before != data.content)
