"""What is evaluated: a run, an exported file, or images that another program made."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gtk.cli.console import print_line
from gtk.cli.file_source import FileSource, check_file_options, is_exported
from gtk.cli.run_source import RunSource
from gtk.cli.source import Source
from gtk.core.evaluation.asked import asked_for, class_numbers, is_same, random_rows
from gtk.core.registry.discovery import find
from gtk.core.registry.installed import DATASET
from gtk.core.settings.image_source import find_dataset, find_root, load_data, split_reference
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset, DataSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.picture_rows import as_rows
from gtk.core.values.text import visible
from gtk.core.values.tracking import track
from gtk.core.values.user_path import user_path
from gtk.plugins.datasets import USUAL_SIDE

if TYPE_CHECKING:
    from gtk.core.storage.run import Run

#: Images in one batch of those that are read.
BATCH = 500
#: The file that makes a folder a run.
DOCUMENT = "run.json"


class Evaluated(ABC):
    """Images for metrics.

    Attributes:
        name: what the user called them.
        condition: what they are made for, None where nothing says so.
        model: what made them, None where only images are known.
        notes: what the user should know about how they were read.
    """

    name: str
    condition: ConditionSpec | None
    model: object | None = None
    notes: tuple[str, ...] = ()

    @property
    @abstractmethod
    def made(self) -> dict[str, Any]:
        """How the images were made, for programs."""

    @abstractmethod
    def batches(
        self, count: int, seed: int
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[Any] | None]]:
        """Yield at most `count` images (B, C, H, W), a batch at a time.

        With each batch comes what its images are made for, as rows of the data's condition; None
        where that is not among the data's.
        """


class Drawn(Evaluated):
    """Images that are drawn from a run or an exported file.

    Args:
        origin: draws them.
        data: what they are compared with.
    """

    def __init__(self, origin: Source, data: Dataset) -> None:
        self._origin, self._data = origin, data
        self.name, self.condition = origin.reference, origin.condition
        if isinstance(origin, RunSource):
            self.model = origin.model

    @property
    def made(self) -> dict[str, Any]:
        """The weights, and the sampler with its evaluations."""
        return self._origin.drawn_with

    def batches(
        self, count: int, seed: int
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[Any] | None]]:
        """Draw images from the noise that `gtk sample` takes with this seed."""
        asked, among = asked_for(self.condition, self._data, count)
        done = 0
        for pictures in self._origin.stream(count, asked, seed):
            rows = slice(done, done + len(pictures))
            yield as_rows(pictures), None if among is None else among[rows]
            done = rows.stop


class Given(Evaluated):
    """Images in a folder or a file of arrays.

    Args:
        path: of the folder or the file.
        data: what they are compared with.

    Raises:
        GtkError: they cannot be read.
        InvalidValue: they have several sizes.
    """

    def __init__(self, path: Path, data: Dataset) -> None:
        self.name = str(path)
        plugin = find(DATASET, "folder" if path.is_dir() else "npz")
        found = load_data(plugin, plugin.spec.config(), path)
        if path.is_dir():
            _check_sizes(path, found.spec)
        self._splits, self.spec, self.notes = (found.train, found.test), found.spec, found.notes
        self.condition, self._known = found.spec.condition, data.spec.condition

    @property
    def made(self) -> dict[str, Any]:
        """Where they are."""
        return {"images": self.name}

    def batches(
        self, count: int, seed: int
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[Any] | None]]:
        """Read the images in a random order that is always the same; the seed decides nothing."""
        train, test = self._splits
        same = is_same(self.condition, self._known)
        numbers = class_numbers(self.condition, self._known)
        order = random_rows(len(train) + len(test))[:count]
        starts = range(0, len(order), BATCH)
        for start in track(starts, "reading images", len(starts)):
            rows = order[start : start + BATCH]
            of_train, of_test = rows[rows < len(train)], rows[rows >= len(train)] - len(train)
            images = np.concatenate([train.images[of_train], test.images[of_test]])
            labels = np.concatenate([train.labels[of_train], test.labels[of_test]])
            yield images, labels if same else None if numbers is None else numbers[labels]


def _check_sizes(folder: Path, spec: DataSpec) -> None:
    """Refuse a folder of images that were scaled to one size, as those of several sizes are.

    Raises:
        InvalidValue: it names the first image of another size.
    """
    if (spec.height, spec.width) != (USUAL_SIDE, USUAL_SIDE):
        return
    from PIL import Image

    for path in sorted(folder.rglob("*")):
        try:
            with Image.open(path) as image:
                size = image.size
        except (OSError, ValueError):  # a folder, or not an image
            continue
        if size != (USUAL_SIDE, USUAL_SIDE):
            raise InvalidValue(
                f"{visible(path)} has {size[0]}x{size[1]} pixels, and the images of {folder} would "
                f"be scaled to {USUAL_SIDE}x{USUAL_SIDE}: evaluate images of one size"
            )


def images_at(source: str, runs: Path) -> Path | None:
    """Return the folder or file of images that a reference names, None if it names none.

    A name without a slash is a run's first.
    """
    path = user_path(source, "source")
    if path.suffix.lower() == ".npz" and path.is_file():
        return path
    bare = len(path.parts) == 1 and source == path.name
    run = bare and (source == "latest" or (runs / path / DOCUMENT).exists())
    return path if path.is_dir() and not run and not (path / DOCUMENT).exists() else None


@dataclass(frozen=True)
class Origin:
    """The options that say what is evaluated and against what, as they were given."""

    source: str
    against: str | None
    data_root: Path | None
    sampler: str | None
    checkpoint: str | None
    average: float | None
    batch_size: int
    device: str | None
    runs: Path
    sampler_options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def names(cls) -> list[str]:
        """Return the fields that are arguments of the command."""
        return [item.name for item in fields(cls) if item.name != "sampler_options"]

    @cached_property
    def images(self) -> Path | None:
        """The folder or file of images that the source names, None if it names none."""
        return images_at(self.source, self.runs)

    @cached_property
    def run(self) -> "Run | None":
        """The run that the source names, None for a file or images."""
        if self.images is not None or is_exported(self.source):
            return None
        from gtk.core.storage.runs import find_run

        return find_run(self.source, self.runs)

    def data(self) -> Dataset:
        """Load the data to compare with.

        Raises:
            GtkError: there are none, or nothing names them.
        """
        if self.against is not None:
            name, path = split_reference(self.against)
            plugin = find_dataset(name or "")
            root = find_root(plugin.spec, self.data_root, path)
            return load_data(plugin, plugin.spec.config(), root)
        if self.run is None:
            raise InvalidValue("name the data to compare with: --against NAME")
        from gtk.core.storage.run_data import check_counts, has_changed_files, load_again

        remedy = ", or name other data with --against"
        data = load_again(self.run, self.data_root, remedy)
        check_counts(self.run, data, remedy=remedy)
        if has_changed_files(self.run, data):
            note = "the files of the data have changed since the training, or were copied"
            print_line(note, err=True)
        return data

    def open(self, data: Dataset) -> Evaluated:
        """Open what is evaluated against some data.

        Raises:
            InvalidValue: an option is not for it, or its images have another size.
        """
        if self.images is not None:
            for name in ("sampler", "checkpoint", "average"):
                if getattr(self, name) is not None:
                    raise InvalidValue(f"--{name} is for runs, and {self.source} holds images")
            for name in self.sampler_options:
                raise InvalidValue(f"--{name} is for runs, and {self.source} holds images")
            found = Given(self.images, data)
            check_size(found.spec.image_shape, data.spec, self.source)
            return found
        origin = self._source()
        height, width = origin.image_size
        check_size((origin.channels, height, width), data.spec, self.source)
        origin.batch_size = self.batch_size
        return Drawn(origin, data)

    def _source(self) -> Source:
        if self.run is None:
            check_file_options(self.source, checkpoint=self.checkpoint, average=self.average)
            return FileSource(self.source, self.device, self.sampler, self.sampler_options)
        sampler = self.run.settings.sampler_choice(self.sampler, self.sampler_options)
        return RunSource(self.source, self.run, self.checkpoint, self.device, self.average, sampler)


def judged_spec(evaluated: Evaluated, spec: DataSpec) -> DataSpec:
    """Return the description of the evaluated images, as metrics get it.

    It is the data's, with a condition only if the images' is the same, or their classes are among
    the data's.
    """
    own, known = evaluated.condition, spec.condition
    among = is_same(own, known) or class_numbers(own, known) is not None
    return replace(spec, condition=known if among else None)


def check_size(found: tuple[int, ...], spec: DataSpec, name: str) -> None:
    """Refuse images (C, H, W) of another size than the data's."""
    if found != spec.image_shape:
        raise InvalidValue(
            f"the images of {name} have {_size(found)}, and those of {spec.name} "
            f"{_size(spec.image_shape)}: evaluate against data of the same size"
        )


def _size(shape: tuple[int, ...]) -> str:
    channels, height, width = shape
    return f"{height}x{width} pixels {'in grey' if channels == 1 else 'in colour'}"
