"""The request for an evaluation: one list of arguments for Python and the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.evaluation.evaluated import Drawn, Evaluated, Given, check_size
from gtk.core.evaluation.image_array import ARRAY, array_data, check_array
from gtk.core.models.source import Source
from gtk.core.registry.discovery import Plugin, find
from gtk.core.registry.installed import DATASET
from gtk.core.registry.options import make_config
from gtk.core.registry.spec import DatasetSpec
from gtk.core.registry.suggestion import unknown_option
from gtk.core.settings.image_source import find_dataset, find_root, load_data, split_reference
from gtk.core.settings.metric_choice import (
    MetricChoice,
    metric_choices,
    metric_names,
    metric_options,
    prefixed_options,
)
from gtk.core.storage.run import Run
from gtk.core.storage.run_data import check_counts, has_changed_files, load_again
from gtk.core.storage.run_folder import DOCUMENT
from gtk.core.storage.run_source import RunSource
from gtk.core.storage.runs import find_run
from gtk.core.values.argument import check_type, shown
from gtk.core.values.dataset import Dataset
from gtk.core.values.display import Display
from gtk.core.values.errors import InvalidValue
from gtk.core.values.request import check_at_least
from gtk.core.values.setting import setting
from gtk.core.values.user_path import user_path
from gtk.exports.file_source import FileSource, check_file_options, is_exported
from gtk.plugins.datasets.unscaled import check_unscaled

#: The most images that are drawn or read.
MOST = 1_000_000
#: What the options of the sampler, and of the data to compare with, begin with.
SAMPLER, AGAINST = "sampler_", "against"


@dataclass(frozen=True, kw_only=True)
class EvaluateRequest:
    """The arguments of `gtk.evaluate`, which are the options of `gtk evaluate`.

    `gtk.evaluate` documents each. Paths may begin with ~.

    Raises:
        InvalidValue: an argument out of range or of another type, a path that no file can have, or
            an array that does not hold images.
    """

    source: Run | str | Path | NDArray[np.uint8]
    against: str | Dataset | None = None
    labels: Sequence[Any] | None = None
    metrics: Sequence[str] | None = None
    samples: int = 10_000
    seed: int = 0
    judge: str | Path | None = None
    sampler: str | None = None
    checkpoint: str | int | None = None
    average: float | None = None
    batch_size: int = 256
    device: str = "cpu"
    data_root: str | Path | None = None
    runs: str | Path = "runs"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_source(self.source)
        check_type("metrics", self.metrics, tuple[str, ...] | None)
        for name, least in (("samples", 1), ("seed", 0), ("batch_size", 1)):
            check_at_least(name, getattr(self, name), least)
        if self.samples > MOST:
            raise InvalidValue(f"{setting('samples')} must be at most {MOST}")
        for name in ("judge", "data_root", "runs"):
            if getattr(self, name) is not None:  # as the __init__ of a frozen class does
                object.__setattr__(self, name, user_path(getattr(self, name), name))
        if self.labels is not None and self.array is None:
            raise InvalidValue(
                f"labels are for an array of images: leave them out, since {self.name} has its own"
            )

    @property
    def name(self) -> str:
        """What the user called what is evaluated."""
        if isinstance(self.source, Run):
            return self.source.name
        return ARRAY if self.array is not None else str(self.source)

    @property
    def array(self) -> NDArray[np.uint8] | None:
        """The images, if they are given as an array: (N, H, W), or (N, H, W, C)."""
        return self.source if isinstance(self.source, np.ndarray) else None

    @cached_property
    def images(self) -> Path | None:
        """The folder or file of images that the source names, None if it names none."""
        named = not isinstance(self.source, Run | np.ndarray)
        return images_at(self.name, Path(self.runs)) if named else None

    @cached_property
    def run(self) -> Run | None:
        """The run that is evaluated, None for a file or images."""
        if isinstance(self.source, Run):
            return self.source
        if self.array is not None or self.images is not None or is_exported(self.name):
            return None
        return find_run(self.name, self.runs)

    @cached_property
    def choices(self) -> list[MetricChoice]:
        """The metrics, with their options."""
        return metric_choices(metric_names(self.metrics), self.options)

    def data(self, display: Display) -> Dataset:
        """Load the data to compare with.

        Raises:
            GtkError: there are none, or nothing names them.
        """
        if isinstance(self.against, Dataset):
            if self.data_root is not None:
                raise InvalidValue(f"{setting('data_root')} is for data by name: leave it out")
            return self.against
        root = None if self.data_root is None else Path(self.data_root)
        if self.against is not None:
            plugin, path = named_data(self.against)
            config = make_config(
                plugin.spec.config, self._against(plugin), f"data set {plugin.spec.name!r}"
            )
            return load_data(plugin, config, find_root(plugin.spec, root, path))
        if self.run is None:
            what = setting("against", example="NAME")
            raise InvalidValue(f"name the data to compare with: {what}")
        return _own_data(self.run, root, display)

    def open(self, data: Dataset, display: Display) -> Evaluated:
        """Open what is evaluated against some data.

        Raises:
            GtkError: it cannot be read, an option is not for it, or its images have another size.
        """
        if self.images is None and self.array is None:
            source = self._source()
            source.batch_size, source.display = self.batch_size, display
            height, width = source.image_size
            check_size((source.channels, height, width), data.spec, self.name)
            return Drawn(source, data)
        for name in ("sampler", "checkpoint", "average"):
            if getattr(self, name) is not None:
                raise InvalidValue(f"{setting(name)} is for runs, and {self.name} holds images")
        self._check_options([])
        found = self._found(data)
        check_size(found.spec.image_shape, data.spec, self.name)
        return Given(self.name, found, data)

    def _found(self, data: Dataset) -> Dataset:
        """Return the images that are at hand."""
        if self.array is not None:
            return array_data(self.array, self.labels, data.spec)
        path = self.images or Path()
        plugin = find(DATASET, "folder" if path.is_dir() else "npz")
        found = load_data(plugin, plugin.spec.config(), path)
        if path.is_dir():
            check_unscaled(path, found.spec)
        return found

    def _source(self) -> Source:
        """Open what draws: a run, or an exported file."""
        if self.run is None:
            check_file_options(self.name, checkpoint=self.checkpoint, average=self.average)
            path = str(user_path(self.name)) if self.name.startswith("~") else self.name
            return FileSource(path, self.device, self.sampler, self._sampling)
        _, config = self.run.settings.sampler_choice(self.sampler, {})
        self._check_options([item.name for item in fields(config)])
        choice = self.run.settings.sampler_choice(self.sampler, self._sampling)
        return RunSource(self.name, self.run, self.checkpoint, self.device, self.average, choice)

    @property
    def _others(self) -> set[str]:
        """The options of the metrics and of the data to compare with."""
        metrics = {it.name for plugin, _ in self.choices for it in metric_options(plugin)}
        if not isinstance(self.against, str):
            return metrics
        config = named_data(self.against)[0].spec.config
        return metrics | {it.name for it in prefixed_options(AGAINST, config)}

    @property
    def _sampling(self) -> dict[str, Any]:
        """The options of the sampler, by field."""
        own = self.options.keys() - self._others
        return {name.removeprefix(SAMPLER): self.options[name] for name in sorted(own)}

    def _against(self, plugin: Plugin[DatasetSpec]) -> dict[str, Any]:
        """Return the options of the data to compare with, by field."""
        known = prefixed_options(AGAINST, plugin.spec.config)
        return {it.field: self.options[it.name] for it in known if it.name in self.options}

    def _check_options(self, sampler: Sequence[str]) -> None:
        """Refuse an option that none has of the metrics, the data and the sampler.

        Args:
            sampler: the names of the sampler's options.

        Raises:
            UnknownName: it has a suggestion.
        """
        for name in self._sampling:
            if name not in sampler:
                raise unknown_option("option", name, [*sorted(self._others), *sampler])


#: Its fields that are arguments of the command, too.
ARGUMENTS = tuple(
    it.name for it in fields(EvaluateRequest) if it.name not in ("labels", "metrics", "options")
)


def named_data(reference: str) -> tuple[Plugin[DatasetSpec], Path | None]:
    """Return the data set of NAME or NAME:PATH, and the path.

    Raises:
        UnknownName: there is no such data set.
    """
    name, path = split_reference(reference)
    return find_dataset(name or ""), path


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


def _own_data(run: Run, root: Path | None, display: Display) -> Dataset:
    """Load the data that a run was trained on; a note tells that their files have changed."""
    remedy = f", or name other data with {setting('against')}"
    data = load_again(run, root, remedy)
    check_counts(run, data, remedy=remedy)
    if has_changed_files(run, data):
        display.note("the files of the data have changed since the training, or were copied")
    return data


def _check_source(source: object) -> None:
    """Refuse what is neither a run, nor a path, nor an array of images.

    Raises:
        InvalidValue: it says what to give instead.
    """
    if isinstance(source, np.ndarray):
        check_array(source)
    elif isinstance(source, str | Path):
        user_path(source, "source")
    elif not isinstance(source, Run):
        raise InvalidValue(
            f"source must be a Run, a string, a path or an array of images, not {shown(source)}"
        )
