"""What a data set promises."""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gtk.core.models.build import build
from gtk.core.registry.options import make_config
from gtk.core.settings.choice import Choice
from gtk.core.settings.image_source import find_root, load_data, split_reference
from gtk.core.training.trainer import Trainer
from gtk.core.values.dataset import Dataset, DataSpec, Split, spread
from gtk.core.values.errors import GtkError, InvalidValue, PluginError
from gtk.testing.check import CheckFailed, CheckSkipped, Specimen, needs
from gtk.testing.process_state import Surroundings, working_in

#: Images that a model is tried on, images of a step, and steps.
TRIED, BATCH, STEPS = 256, 8, 3
#: Test images that are looked for among the training images, and the share that may be found
#: there beyond what chance explains: real data sets have some doubles.
HELD_OUT, DOUBLES = 1000, 0.1
OURS = "generative-toolkit"


def check_loads(specimen: Specimen) -> None:
    """It gives a `gtk.Dataset` with training images, of the types, shapes and ranges it says."""
    try:
        dataset = loaded(specimen)
    except InvalidValue as error:
        raise CheckFailed(
            f"{error}: images are uint8 (N, C, H, W) with levels 0..255, labels int64 (N,) from 0, "
            "or float32 (N, n)"
        ) from error
    if not len(dataset.train):
        raise CheckFailed("there is no training image: put some into Dataset(train=...)")


@needs(check_loads)
def check_images_differ(specimen: Specimen) -> None:
    """Its images differ from one another, and use the levels that uint8 has."""
    images = np.asarray(loaded(specimen).train.images[:TRIED])
    highest = int(images.max())
    if highest <= 1:
        raise CheckFailed(
            f"the highest level of a training image is {highest}, of 255: images in 0..1 lose all "
            "by .astype('uint8'); write (images * 255).round().astype('uint8')"
        )
    if len(images) > 1 and (images == images[0]).all():
        raise CheckFailed("all training images are alike: look at them with gtk data")


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
        remedy = "nobody could learn to draw them: leave them out of ConditionSpec, or shuffle"
    else:
        same = labels.min(0) == labels.max(0)
        missing = [name for name, alike in zip(condition.names, same, strict=True) if alike]
        remedy = "nothing could be learned from it: leave it out of ConditionSpec"
    if missing:
        what = "no training image has" if condition.kind == "classes" else "all images share one"
        raise CheckFailed(f"{what} label {', '.join(missing[:3])}, so {remedy}")


@needs(check_images_differ)
def check_held_out(specimen: Specimen) -> None:
    """Its test images are others than its training images, a few doubles apart."""
    train, test = loaded(specimen).train, loaded(specimen).test
    if not len(test):
        raise CheckSkipped("it has no test images")
    seen = Counter(hash(image.tobytes()) for image in train.images)
    tried = spread(len(test), HELD_OUT)
    share = sum(hash(test.images[row].tobytes()) in seen for row in tried) / len(tried)
    # Where few images are possible, as many are drawn again as are in the training images twice.
    repeated = sum(count for count in seen.values() if count > 1) / len(train)
    if share > repeated + DOUBLES:
        raise CheckFailed(
            f"{share:.0%} of its test images are training images, too, so that nobody can tell "
            "what was learned from what was remembered: split them, or draw others for "
            "Dataset(test=...)"
        )


@needs(check_loads)
def check_repeatable(specimen: Specimen) -> None:
    """Loaded again it is the same, whatever was drawn or done to it in between."""
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
            f"{' and '.join(different)} are others when it is loaded again, so no training could "
            "be resumed: draw from np.random.default_rng(0), sort lists of files, and hand out "
            "a copy of what you keep"
        )


@needs(check_loads)
def check_description(specimen: Specimen) -> None:
    """What it says of itself can be written down: its description as JSON, its notes as lines."""
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
            f"its DataSpec comes back from run.json as {again}, it was {dataset.spec}: names are "
            "tuples of texts, ranges tuples of floats"
        )
    if dataset.spec.channels not in (1, 3):
        raise CheckFailed(
            f"its images have {dataset.spec.channels} channels, and pictures show 1 or 3: convert "
            "them to grey or colour"
        )
    notes: Any = dataset.notes
    if not isinstance(notes, tuple) or not all(
        isinstance(note, str) and note.strip() and "\n" not in note for note in notes
    ):
        raise CheckFailed(
            f"its notes are {notes!r:.60}: give a tuple of sentences, each a text of one line"
        )
    if not isinstance(dataset.content, str):
        raise CheckFailed(
            f"its content is {type(dataset.content).__name__}: give a text, such as a hash of its "
            "files"
        )


def check_missing_files(specimen: Specimen) -> None:
    """A path where nothing is gives an error in one line that names it."""
    spec = specimen.plugin.spec
    if spec.root != "required":
        raise CheckSkipped("it can do without files of the user's own")
    nowhere = specimen.folder / "nowhere"
    try:
        _read(specimen, nowhere)
    except PluginError as error:
        raise CheckFailed(
            f"{error} That was for a path where nothing is: raise gtk.InvalidValue, which says "
            "what is missing and where"
        ) from error
    except GtkError as error:
        if "nowhere" not in str(error):
            raise CheckFailed(
                f"its error for a path where nothing is does not name the path: {error}"
            ) from error
    else:
        raise CheckFailed(
            'its spec says root="required", and a path where nothing is loads all the same: raise '
            "gtk.InvalidValue, which says what is missing and where"
        )


@needs(check_loads)
def check_files_are_only_read(specimen: Specimen) -> None:
    """The user's files stay as they are."""
    root = _path(specimen)
    if root is None:
        raise CheckSkipped("it was given no path to read")
    before = _files(root)
    load(specimen)
    changed = sorted(str(path) for path, _ in set(before.items()) ^ set(_files(root).items()))
    if changed:
        raise CheckFailed(
            f"loading changes {changed[0]}, which is the user's: write elsewhere, such as "
            "platformdirs.user_cache_path"
        )


@needs(check_loads)
def check_working_folder(specimen: Specimen) -> None:
    """It writes nothing into the folder that the user happens to be in."""
    loaded(specimen)
    stray = sorted(item.name for item in _place(specimen).iterdir())
    if stray:
        raise CheckFailed(
            f"it writes {stray[0]} into the folder that the user is in: write into a folder of its "
            "own, such as platformdirs.user_cache_path, or a temporary one"
        )


@needs(check_loads)
def check_globals(specimen: Specimen) -> None:
    """Loading changes nothing that is the whole process's."""
    loaded(specimen)  # by now all is imported: what libraries do then is not its doing
    surroundings = Surroundings()
    load(specimen)
    changes = surroundings.changes()
    if changes:
        raise CheckFailed(
            f"loading it changes {', '.join(changes)} for the whole process: draw from "
            "np.random.default_rng(0), and put all else back before it returns"
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
            f"{name} cannot be trained on it: {error} Hand out plain arrays, which "
            "np.ascontiguousarray makes of any"
        ) from error
    if not all(parameter.isfinite().all() for parameter in model.parameters()):
        raise CheckFailed(f"{STEPS} steps of {name} on it end in weights that are no numbers")


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


def load(specimen: Specimen) -> Dataset:
    """Load the data set as a training would.

    Raises:
        GtkError: the data cannot be loaded.
        CheckSkipped: nobody says where the files are, and it cannot get them.
    """
    spec, path = specimen.plugin.spec, _path(specimen)
    say = f'say where some are: data="{spec.name}:PATH", or --data {spec.name}:PATH'
    if path is None and spec.root == "required":
        raise CheckSkipped(f"it reads files of the user's own: {say}")
    try:
        return _read(specimen, find_root(spec, None, path))
    except PluginError:
        raise
    except GtkError as error:
        if path is None and spec.root == "optional":
            raise CheckSkipped(f"its files cannot be had ({error}): {say}") from error
        raise


def _read(specimen: Specimen, root: Path | None) -> Dataset:
    """Load what is at a path, in a folder where nothing is: files come by `root` alone."""
    place, root = _place(specimen), root and root.absolute()
    with working_in(place):
        return load_data(specimen.plugin, _config(specimen), root)


def _place(specimen: Specimen) -> Path:
    """Return the folder that the user is said to be in."""
    place = specimen.folder / "user"
    place.mkdir(exist_ok=True)
    return place


def loaded(specimen: Specimen) -> Dataset:
    """Return the data set, loaded once for all checks, which must not change it."""
    return specimen.once("dataset", lambda: load(specimen))


def _config(specimen: Specimen) -> Any:  # noqa: ANN401 - of the plugin's own class
    spec = specimen.plugin.spec
    return make_config(spec.config, specimen.options, f"data set '{spec.name}'")


def _path(specimen: Specimen) -> Path | None:
    """Return the path that was given with the data set's own name."""
    name, path = split_reference(specimen.data)
    return path if specimen.plugin.installed.goes_by(name or "") else None


def _copies(dataset: Dataset) -> dict[str, NDArray[Any]]:
    return {
        f"{name} {what}": np.array(getattr(split, what))
        for name, split in (("train", dataset.train), ("test", dataset.test))
        for what in ("images", "labels")
    }


def _mapped(array: Any) -> bool:  # noqa: ANN401 - whatever an array views
    """Say whether an array's memory may be a file's."""
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return array is not None


def _draw() -> None:
    """Draw from every global generator; whoever calls a check puts them back."""
    random.random()  # noqa: S311 - nothing is kept secret
    np.random.rand()  # noqa: NPY002 - what a plugin may draw from
    torch.rand(1)


def _files(root: Path) -> dict[Path, tuple[int, int]]:
    """Return size and time of the last change of a file, or of all in a folder."""
    paths = [root, *root.rglob("*")] if root.is_dir() else [root]
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


def _first(split: Split) -> Split:
    return Split(split.images[:TRIED], split.labels[:TRIED])
