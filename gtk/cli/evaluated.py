"""What is evaluated: a run, an exported file, or images that another program made."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gtk.cli.file_source import FileSource, check_file_options, is_exported
from gtk.cli.run_source import RunSource
from gtk.cli.source import Source
from gtk.core.registry.discovery import find
from gtk.core.registry.installed import DATASET
from gtk.core.settings.image_source import find_dataset, find_root, load_data, split_reference
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset, DataSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.picture_rows import as_rows
from gtk.core.values.seeding import derive_seed
from gtk.core.values.user_path import user_path

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
        condition: what each was made for, None where nothing says so.
        model: what made them, None where only images are known.
    """

    name: str
    condition: ConditionSpec | None
    model: object | None = None

    @property
    @abstractmethod
    def made(self) -> dict[str, Any]:
        """How the images were made, for programs."""

    @abstractmethod
    def batches(
        self, count: int, seed: int, *, labelled: bool
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[Any] | None]]:
        """Yield at most `count` images (B, C, H, W) with their conditions, a batch at a time.

        Where they are not `labelled`, each batch has None instead.
        """


class Drawn(Evaluated):
    """Images that are drawn from a run or an exported file, the conditions in turn."""

    def __init__(self, origin: Source) -> None:
        self._origin, self.name, self.condition = origin, origin.reference, origin.condition
        if isinstance(origin, RunSource):
            self.model = origin.model

    @property
    def made(self) -> dict[str, Any]:
        """The weights, and the sampler with its evaluations."""
        return self._origin.drawn_with

    def batches(
        self, count: int, seed: int, *, labelled: bool
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[Any] | None]]:
        """Draw the images that `gtk sample` draws with this seed."""
        labels = None if self.condition is None else self.condition.cycle(count)
        done = 0
        for pictures in self._origin.stream(count, labels, seed):
            rows = slice(done, done + len(pictures))
            yield as_rows(pictures), labels[rows] if labelled and labels is not None else None
            done = rows.stop


class Given(Evaluated):
    """Images in a folder or a file of arrays, with the classes that these have."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        plugin = find(DATASET, "folder" if path.is_dir() else "npz")
        data = load_data(plugin, plugin.spec.config(), path)
        self._splits = data.train, data.test
        self.spec, self.condition = data.spec, data.spec.condition

    @property
    def made(self) -> dict[str, Any]:
        """Where they are."""
        return {"images": self.name}

    def batches(
        self, count: int, seed: int, *, labelled: bool
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[Any] | None]]:
        """Read the images in a random order that is always the same; the seed decides nothing."""
        train, test = self._splits
        total = len(train) + len(test)
        order = np.random.default_rng(derive_seed(0, "evaluate")).permutation(total)[:count]
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            of_train, of_test = rows[rows < len(train)], rows[rows >= len(train)] - len(train)
            images = np.concatenate([train.images[of_train], test.images[of_test]])
            labels = np.concatenate([train.labels[of_train], test.labels[of_test]])
            yield images, labels if labelled else None


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
        path = user_path(self.source, "source")
        if path.suffix.lower() == ".npz" and path.is_file():
            return path
        named = (self.runs / path / DOCUMENT).exists() or (path / DOCUMENT).exists()
        return path if path.is_dir() and not named else None

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
        from gtk.core.storage.run_data import load_again

        return load_again(self.run, self.data_root, ", or name other data with --against")

    def open(self, spec: DataSpec) -> Evaluated:
        """Open what is evaluated, against data that `spec` describes.

        Raises:
            InvalidValue: an option is not for it, or its images have another size.
        """
        if self.images is not None:
            for name in ("sampler", "checkpoint", "average"):
                if getattr(self, name) is not None:
                    raise InvalidValue(f"--{name} is for runs, and {self.source} holds images")
            found = Given(self.images)
            check_size(found.spec.image_shape, spec, self.source)
            return found
        origin = self._source()
        height, width = origin.image_size
        check_size((origin.channels, height, width), spec, self.source)
        origin.batch_size = self.batch_size
        return Drawn(origin)

    def _source(self) -> Source:
        if self.run is None:
            check_file_options(self.source, checkpoint=self.checkpoint, average=self.average)
            return FileSource(self.source, self.device, self.sampler, self.sampler_options)
        sampler = self.run.settings.sampler_choice(self.sampler, self.sampler_options)
        return RunSource(self.source, self.run, self.checkpoint, self.device, self.average, sampler)


def judged_spec(evaluated: Evaluated, spec: DataSpec) -> DataSpec:
    """Return the description of the evaluated images, as metrics get it.

    It is the data's, with a condition only if the images have the same: classes of other names
    are no classes of these data.
    """
    own, known = evaluated.condition, spec.condition
    same = own is not None and known is not None and replace(own, nullable=False) == known
    return replace(spec, condition=own if same else None)


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
