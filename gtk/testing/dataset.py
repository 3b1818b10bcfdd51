"""The checks of a data set."""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gtk.core.models.build import build
from gtk.core.settings.choice import Choice
from gtk.core.training.trainer import Trainer
from gtk.core.values.dataset import Dataset, DataSpec, Split, spread
from gtk.core.values.errors import GtkError, InvalidValue, PluginError
from gtk.testing.check import CheckFailed, CheckSkipped, Specimen, needs
from gtk.testing.loaded_dataset import (
    data_path,
    load,
    loaded,
    read_dataset,
    user_folder,
)
from gtk.testing.process_state import Snapshot

#: Images that a model is trained on, images of a step, and steps.
TRIED, BATCH, STEPS = 256, 8, 3
#: Test images that are looked up among the training images, and the share that may occur there
#: beyond what chance explains: real data sets have some duplicates.
HELD_OUT, DOUBLES = 1000, 0.1
OURS = "generative-toolkit"


def check_loads(specimen: Specimen) -> None:
    """It returns a `gtk.Dataset` with training images that match its `DataSpec`."""
    try:
        dataset = loaded(specimen)
    except InvalidValue as error:
        raise CheckFailed(
            f"{error}: images are uint8 (N, C, H, W) with levels 0..255, labels int64 (N,) from 0, "
            "or float32 (N, n)"
        ) from error
    if not len(dataset.train):
        raise CheckFailed("it has no training images: put some into Dataset(train=...)")


@needs(check_loads)
def check_images_differ(specimen: Specimen) -> None:
    """Its images differ from one another and use the range of uint8."""
    images = np.asarray(loaded(specimen).train.images[:TRIED])
    highest = int(images.max())
    if highest <= 1:
        raise CheckFailed(
            f"the highest level of its training images is {highest} of 255: images in 0..1 are "
            "lost in .astype('uint8'); write (images * 255).round().astype('uint8')"
        )
    if len(images) > 1 and (images == images[0]).all():
        raise CheckFailed("all its training images are equal: look at them with gtk data")


@needs(check_loads)
def check_labels_differ(specimen: Specimen) -> None:
    """Every class has a training image, every attribute and number has several values."""
    dataset = loaded(specimen)
    condition, labels = dataset.spec.condition, dataset.train.labels
    if condition is None:
        raise CheckSkipped("its images have no labels")
    if condition.kind == "classes":
        seen = set(np.unique(labels).tolist())
        missing = [name for number, name in enumerate(condition.names) if number not in seen]
        remedy = "it cannot be learned: leave it out of ConditionSpec, or shuffle"
    else:
        same = labels.min(0) == labels.max(0)
        missing = [name for name, alike in zip(condition.names, same, strict=True) if alike]
        remedy = "it cannot be learned: leave it out of ConditionSpec"
    if missing:
        what = "no training image has" if condition.kind == "classes" else "all images share one"
        names = ", ".join(map(repr, missing[:3]))
        raise CheckFailed(f"{what} label {names}, so {remedy}")


@needs(check_images_differ)
def check_held_out(specimen: Specimen) -> None:
    """Its test images differ from its training images, apart from a few duplicates."""
    train, test = loaded(specimen).train, loaded(specimen).test
    if not len(test):
        raise CheckSkipped("it has no test images")
    seen = Counter(hash(image.tobytes()) for image in train.images)
    tried = spread(len(test), HELD_OUT)
    share = sum(hash(test.images[row].tobytes()) in seen for row in tried) / len(tried)
    # Where few different images exist, a test image repeats a training image as often by chance as
    # training images repeat one another.
    repeated = sum(count for count in seen.values() if count > 1) / len(train)
    if share > repeated + DOUBLES:
        raise CheckFailed(
            f"{share:.0%} of its test images are training images, too, so that figures on them "
            "cannot show memorization: split them, or draw others for Dataset(test=...)"
        )


@needs(check_loads)
def check_repeatable(specimen: Specimen) -> None:
    """Loading it again gives the same, whatever was drawn or changed in between."""
    first = load(specimen)
    before = _copies(first)
    writable = [
        array
        for split in (first.train, first.test)
        for array in (split.images, split.labels)
        if array.flags.writeable and not _mapped(array)
    ]
    kept = [array.copy() for array in writable]
    for array in writable:
        np.add(array, 1, out=array)  # a change to one load must not reach the next
    _draw()
    again = _copies(load(specimen))
    for array, values in zip(writable, kept, strict=True):
        array[...] = values  # which the other checks look at
    different = [name for name in before if not np.array_equal(before[name], again[name])]
    if different:
        raise CheckFailed(
            f"{' and '.join(different)} differ when it is loaded again, so that a training could "
            "not be resumed: draw from np.random.default_rng(0), sort lists of files, and return "
            "copies of arrays that you keep"
        )


@needs(check_loads)
def check_description(specimen: Specimen) -> None:
    """Its description can be written as JSON, and its notes as lines."""
    import json

    dataset = loaded(specimen)
    try:
        again = DataSpec.from_json(json.loads(json.dumps(dataset.spec.as_json())))
    except (TypeError, ValueError) as error:
        raise CheckFailed(
            f"its DataSpec cannot be written to run.json ({error}): use int, str and float, not "
            "numpy's types"
        ) from error
    if again != dataset.spec:
        raise CheckFailed(
            f"its DataSpec is {dataset.spec}, and {again} when it is read from run.json: write "
            "names as tuples of strings and ranges as tuples of floats"
        )
    if dataset.spec.channels not in (1, 3):
        raise CheckFailed(
            f"its images have {dataset.spec.channels} channels, and gtk draws 1 or 3: convert "
            "them to grey or colour"
        )
    notes: Any = dataset.notes
    if not isinstance(notes, tuple) or not all(
        isinstance(note, str) and note.strip() and "\n" not in note for note in notes
    ):
        raise CheckFailed(
            f"its notes are {notes!r:.60}: return a tuple of strings, each a sentence in one line"
        )
    if not isinstance(dataset.content, str):
        raise CheckFailed(
            f"its content is of type {type(dataset.content).__name__}: return a string, such as a "
            "hash of its files"
        )


def check_missing_files(specimen: Specimen) -> None:
    """A missing path raises an error in one line that names it."""
    spec = specimen.plugin.spec
    if spec.root != "required":
        raise CheckSkipped("it does not require files of the user")
    nowhere = specimen.folder / "nowhere"
    try:
        read_dataset(specimen, nowhere)
    except PluginError as error:
        raise CheckFailed(
            f"{error} That was for a missing path: raise gtk.InvalidValue with the file that is "
            "missing, and where"
        ) from error
    except GtkError as error:
        if "nowhere" not in str(error):
            raise CheckFailed(
                f"its error for a missing path does not name the path: {error}"
            ) from error
    else:
        raise CheckFailed(
            'its spec has root="required", and a missing path is loaded without an error: raise '
            "gtk.InvalidValue with the file that is missing, and where"
        )


@needs(check_loads)
def check_files_are_only_read(specimen: Specimen) -> None:
    """Loading leaves the user's files unchanged."""
    root = data_path(specimen)
    if root is None:
        raise CheckSkipped("the check was run without a path to its files")
    before = _files(root)
    load(specimen)
    changed = sorted(str(path) for path, _ in set(before.items()) ^ set(_files(root).items()))
    if changed:
        raise CheckFailed(
            f"loading changes the user's file {changed[0]!r}: write to another folder, such as "
            "platformdirs.user_cache_path"
        )


@needs(check_loads)
def check_working_folder(specimen: Specimen) -> None:
    """Loading leaves the user's working folder unchanged."""
    loaded(specimen)
    stray = sorted(item.name for item in user_folder(specimen).iterdir())
    if stray:
        raise CheckFailed(
            f"it writes {stray[0]!r} into the user's working folder: write into a folder of its "
            "own, such as platformdirs.user_cache_path, or a temporary one"
        )


@needs(check_loads)
def check_globals(specimen: Specimen) -> None:
    """Loading leaves the global state of the process unchanged."""
    loaded(specimen)  # libraries that it imports may change the state, once
    snapshot = Snapshot()
    load(specimen)
    changes = snapshot.changes()
    if changes:
        raise CheckFailed(
            f"loading it changes {', '.join(changes)} for the whole process: draw from "
            "np.random.default_rng(0), and restore other state before it returns"
        )


@needs(check_loads)
def check_trains(specimen: Specimen) -> None:
    """A variational autoencoder can be trained on it."""
    dataset = loaded(specimen)
    labelled = dataset.spec.condition is not None
    name = "cvae" if labelled else "vae"
    conditioner = f"{OURS}/{'embedding' if labelled else 'unconditional'}"
    choice = Choice.by_name(f"{OURS}/{name}", f"{OURS}/digits", conditioner, f"{OURS}/elbo")
    few = Dataset(dataset.spec, _first(dataset.train), _first(dataset.test))
    batch_size = min(BATCH, len(few.train))
    settings = choice.settle({"hidden_dims": (16,), "batch_size": batch_size}, None)
    model, loss = build(settings, few.spec)
    try:
        trainer = Trainer(model, loss, few, settings.train, torch.device("cpu"))
        for step in range(STEPS):
            trainer.train_step((torch.arange(batch_size) + batch_size * step) % len(few.train))
    except (GtkError, ValueError, TypeError) as error:
        raise CheckFailed(
            f"{name} cannot be trained on it: {error} Return plain arrays, such as "
            "np.ascontiguousarray makes"
        ) from error
    if not all(parameter.isfinite().all() for parameter in model.parameters()):
        raise CheckFailed(f"weights are not finite after {STEPS} steps of {name} on it")


CHECKS: tuple[Callable[[Specimen], None], ...] = (
    check_loads,
    check_images_differ,
    check_labels_differ,
    check_held_out,
    check_repeatable,
    check_description,
    check_missing_files,
    check_files_are_only_read,
    check_working_folder,
    check_globals,
    check_trains,
)


def _copies(dataset: Dataset) -> dict[str, NDArray[Any]]:
    return {
        f"{name} {what}": np.array(getattr(split, what))
        for name, split in (("train", dataset.train), ("test", dataset.test))
        for what in ("images", "labels")
    }


def _mapped(array: Any) -> bool:  # noqa: ANN401 - whatever an array views
    """Return whether an array is, or may be, a view of a mapped file."""
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return array is not None


def _draw() -> None:
    """Draw from every global generator; `outcome` restores them after a check."""
    random.random()  # noqa: S311 - nothing is kept secret
    np.random.rand()  # noqa: NPY002 - what a plugin may draw from
    torch.rand(1)


def _files(root: Path) -> dict[Path, tuple[int, int]]:
    """Return size and modification time of a file, or of all files in a folder."""
    paths = [root, *root.rglob("*")] if root.is_dir() else [root]
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


def _first(split: Split) -> Split:
    return Split(split.images[:TRIED], split.labels[:TRIED])
