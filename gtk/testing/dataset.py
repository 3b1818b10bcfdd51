"""The checks of a data set."""

import json
import random
from collections import Counter
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
from gtk.testing.check import (
    CheckFailed,
    CheckSkipped,
    Specimen,
    checks_in,
    error_line,
    needs,
    unchanged_process_state,
)
from gtk.testing.loaded_dataset import data_path, load, loaded, read_dataset, user_folder

#: Images that a model is trained on, images of a step, and steps.
TRIED, BATCH, STEPS = 256, 8, 3
#: Test images that are looked up among the training images, and the share that may be found there
#: beyond what chance explains: real data sets have some duplicates.
HELD_OUT, DUPLICATES = 1000, 0.1
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
    condition = dataset.spec.condition
    if condition is None:
        raise CheckSkipped("its images have no labels")
    missing = condition.unlearnable(dataset.train.labels)
    if missing:
        names = f"{condition.nouns[0]} {', '.join(map(repr, missing[:3]))}"
        raise CheckFailed(
            f"{names} cannot be learned from its training images: give one of each class, "
            "and two values of each attribute and number, or leave the name out of ConditionSpec"
        )


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
    if share > repeated + DUPLICATES:
        raise CheckFailed(
            f"{share:.0%} of its test images are training images, too, so that figures on them "
            "cannot show memorization: split them, or draw others for Dataset(test=...)"
        )


@needs(check_loads)
def check_repeatable(specimen: Specimen) -> None:
    """Loading it again gives the same, whatever was drawn or changed in between."""
    arrays = _arrays(load(specimen))
    before = {name: np.array(array) for name, array in arrays.items()}
    writable = {
        name: array
        for name, array in arrays.items()
        if array.flags.writeable and not _mapped(array)
    }
    for array in writable.values():
        np.add(array, 1, out=array)  # a change to one load must not reach the next
    # `outcome` restores the global generators after the check.
    random.random()  # noqa: S311 - nothing is kept secret
    np.random.rand()  # noqa: NPY002 - what a plugin may draw from
    torch.rand(1)
    again = {name: np.array(array) for name, array in _arrays(load(specimen)).items()}
    for name, array in writable.items():
        array[...] = before[name]  # a plugin may return the same array for the other checks
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
        remedy = "convert them to grey or colour, which have 1 and 3"
        raise CheckFailed(f"its images have {dataset.spec.channels} channels: {remedy}")
    notes: Any = dataset.notes
    if not isinstance(notes, tuple) or not all(
        isinstance(note, str) and note.strip() and "\n" not in note for note in notes
    ):
        remedy = "return a tuple of strings, each a sentence in one line"
        raise CheckFailed(f"its notes are {notes!r:.60}: {remedy}")
    content: Any = dataset.content
    if not isinstance(content, str):
        remedy = "return a string, such as a hash of its files"
        raise CheckFailed(f"its content is of type {type(content).__name__}: {remedy}")


def check_missing_files(specimen: Specimen) -> None:
    """A missing path raises an error in one line that names it."""
    spec = specimen.plugin.spec
    if spec.root != "required":
        raise CheckSkipped("it does not require files of the user")
    remedy = "raise gtk.InvalidValue with the missing file and its folder"
    try:
        read_dataset(specimen, specimen.folder / "nowhere")
    except GtkError as error:
        if isinstance(error, PluginError):
            raise CheckFailed(f"a missing path raises {error_line(error)}: {remedy}") from error
        if "nowhere" not in str(error):
            raise CheckFailed(f"its error lacks the missing path ({error}): {remedy}") from error
    else:
        raise CheckFailed(f'its root is "required", and a missing path raises no error: {remedy}')


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
        remedy = "write to another folder, such as platformdirs.user_cache_path"
        raise CheckFailed(f"loading changes the user's file {changed[0]!r}: {remedy}")


@needs(check_loads)
def check_working_folder(specimen: Specimen) -> None:
    """Loading leaves the user's working folder unchanged."""
    loaded(specimen)
    stray = sorted(item.name for item in user_folder(specimen).iterdir())
    if stray:
        remedy = "write into platformdirs.user_cache_path or a temporary folder"
        raise CheckFailed(f"it writes {stray[0]!r} into the user's working folder: {remedy}")


@needs(check_loads)
def check_globals(specimen: Specimen) -> None:
    """Loading leaves the global state of the process unchanged."""
    loaded(specimen)  # libraries that it imports may change the state, once
    remedy = "draw from np.random.default_rng(0), and restore other state before it returns"
    with unchanged_process_state("loading it", remedy):
        load(specimen)


@needs(check_loads)
def check_trains(specimen: Specimen) -> None:
    """A variational autoencoder can be trained on it."""
    dataset = loaded(specimen)
    labelled = dataset.spec.condition is not None
    name = "cvae" if labelled else "vae"
    conditioner = "embedding" if labelled else "unconditional"
    choice = Choice.by_name(
        f"{OURS}/{name}", f"{OURS}/digits", f"{OURS}/{conditioner}", f"{OURS}/elbo"
    )
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
            f"{name} cannot be trained on it ({error_line(error)}): return plain arrays, such as "
            "those of np.ascontiguousarray"
        ) from error
    if not all(parameter.isfinite().all() for parameter in model.parameters()):
        raise CheckFailed(f"weights are not finite after {STEPS} steps of {name} on it")


CHECKS = checks_in(globals())


def _arrays(dataset: Dataset) -> dict[str, NDArray[Any]]:
    return {
        f"{name} {what}": getattr(split, what)
        for name, split in (("train", dataset.train), ("test", dataset.test))
        for what in ("images", "labels")
    }


def _mapped(array: Any) -> bool:  # noqa: ANN401 - whatever an array views
    """Return whether an array is, or may be, a view of a mapped file."""
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return array is not None


def _files(root: Path) -> dict[Path, tuple[int, int]]:
    """Return size and modification time of a file, or of all files in a folder."""
    paths = [root, *root.rglob("*")] if root.is_dir() else [root]
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


def _first(split: Split) -> Split:
    return Split(split.images[:TRIED], split.labels[:TRIED])
