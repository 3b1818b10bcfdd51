"""What is evaluated: images that a run or an exported file draws, or images that are at hand."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.evaluation.asked import asked_for, class_numbers, is_same, random_rows
from gtk.core.models.source import Source
from gtk.core.storage.run_source import RunSource
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset, DataSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.picture_rows import as_rows
from gtk.core.values.tracking import track

#: Images in one batch of those that are read.
BATCH = 500


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
    """Images that are at hand, of a folder, a file of arrays or an array.

    Args:
        name: what the user called them.
        found: the images, of both splits.
        data: what they are compared with.
    """

    def __init__(self, name: str, found: Dataset, data: Dataset) -> None:
        self.name, self.notes, self.condition = name, found.notes, found.spec.condition
        self._splits, self._known = (found.train, found.test), data.spec.condition

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


def judged_spec(evaluated: Evaluated, spec: DataSpec) -> DataSpec:
    """Return the description of the evaluated images, as metrics get it.

    It is the data's, with a condition only if the images' is the same, or their classes are among
    the data's.
    """
    own, known = evaluated.condition, spec.condition
    among = is_same(own, known) or class_numbers(own, known) is not None
    return replace(spec, condition=known if among else None)


def notes_on(evaluated: Evaluated, data: DataSpec) -> Iterator[str]:
    """Yield what was noted about images that were read, and that their classes are not used."""
    yield from evaluated.notes
    own, known = evaluated.condition, data.condition
    if own is not None and known is not None and judged_spec(evaluated, data).condition is None:
        theirs, ours = (", ".join(it.names[:4]) for it in (own, known))
        yield (
            f"what {evaluated.name} is made for ({theirs}, ...) is not among what {data.name} has "
            f"({ours}, ...), and is not used"
        )


def check_size(found: tuple[int, ...], spec: DataSpec, name: str) -> None:
    """Refuse images (C, H, W) of another size than the data's.

    Raises:
        InvalidValue: it names both sizes.
    """
    if found != spec.image_shape:
        raise InvalidValue(
            f"the images of {name} have {_size(found)}, and those of {spec.name} "
            f"{_size(spec.image_shape)}: evaluate against data of the same size"
        )


def _size(shape: tuple[int, ...]) -> str:
    channels, height, width = shape
    return f"{height}x{width} pixels {'in grey' if channels == 1 else 'in colour'}"
