"""A metric with the images that it judges, which the checks of metrics test."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from torch import nn

from gtk.core.contracts.metric import JudgedImages, Metric, Source
from gtk.core.registry.options import make_config
from gtk.core.settings.image_source import find_dataset, find_root, load_data, split_reference
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.figure import Figure
from gtk.testing.check import CheckFailed, CheckSkipped, Specimen, error_line
from gtk.testing.process_state import seeded_generators
from gtk.testing.small_model import SmallModel, make_for_each_family

#: Generated images at least, and of each class; there are fewer test images, more training images.
COUNT, EACH = 96, 6
MORE: dict[Source, int] = {"generated": 0, "test": -1, "train": 5}
#: Features of the judge.
FEATURES = 6
#: Sizes of batches, in turn until there are no more images; and others, which change no figure.
BATCHES, OTHER_BATCHES = (40,), (1, 23)

Figures = Mapping[str, Figure | float]


class LinearJudge:
    """A fixed linear map: a judge without a training.

    Args:
        data_spec: the images.
        classes: how many it tells apart.
    """

    def __init__(self, data_spec: DataSpec, classes: int) -> None:
        generator, pixels = np.random.default_rng(0), math.prod(data_spec.image_shape)
        self._to_features = generator.normal(size=(pixels, FEATURES)) / math.sqrt(pixels)
        self._to_logits = generator.normal(size=(FEATURES, classes))

    def look(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the features (N, F) and the logits (N, classes) of images (N, C, H, W)."""
        features = images.reshape(len(images), -1) / 255 @ self._to_features
        return features, features @ self._to_logits


@dataclass(frozen=True)
class MetricCase:
    """A metric under test with some images.

    Attributes:
        title: what it is tested with, for messages.
        make: returns a new object of the metric.
        data_spec: the images, with the condition that generated ones are made for.
        labels: what test and training images are labelled with, which may be so although generated
            ones are made without a condition.
        sources: whose images it gets.
        judge: None unless it asks for one.
        model: None unless it requires one.
    """

    title: str
    make: Callable[[], Metric]
    data_spec: DataSpec
    labels: ConditionSpec | None
    sources: frozenset[Source]
    judge: LinearJudge | None
    model: nn.Module | None

    def images(
        self, sizes: tuple[int, ...] = BATCHES, counts: Mapping[Source, int] | None = None
    ) -> list[JudgedImages]:
        """Return batches of new arrays: generated images, then test, then training images.

        Args:
            sizes: of the batches, in turn.
            counts: of the images of each source.
        """
        count = COUNT if self.labels is None else max(COUNT, EACH * len(self.labels.examples()))
        counts = counts or {source: count + more for source, more in MORE.items()}
        return [
            JudgedImages(images, rows, source, self.judge)
            for source in ("generated", "test", "train")
            if source in self.sources
            for images, rows in self._batches(source, counts[source], sizes)
        ]

    def measure(
        self, batches: list[JudgedImages] | None = None, seed: int = 0
    ) -> tuple[Metric, Figures]:
        """Return a new metric and its figures of these batches, by default of `images()`.

        Args:
            batches: in the order of the contract.
            seed: of the global generators, on which nothing depends.
        """
        with seeded_generators(seed):
            return self.measure_unseeded(self.images() if batches is None else batches)

    def measure_unseeded(self, batches: list[JudgedImages]) -> tuple[Metric, Figures]:
        """Return a new metric and its figures, with the global generators in any state.

        Raises:
            CheckFailed: it refuses the images.
        """
        metric = self.make()
        try:
            for images in batches:
                metric.update(images)
            return metric, metric.compute()
        except InvalidValue as error:
            raise CheckFailed(
                f"it refuses {sum(map(len, batches))} images ({error}): refuse only what no figure "
                "can be computed from; give options that suit few images with options={...}, or "
                "--option NAME=VALUE"
            ) from error

    def _batches(
        self, source: Source, count: int, sizes: tuple[int, ...]
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[Any] | None]]:
        generator = np.random.default_rng(get_args(Source).index(source))
        # Each image with a brightness of its own, so that images differ from one another by far.
        brightness = generator.uniform(0.2, 1, (count, 1, 1, 1))
        pixels = generator.uniform(0, 256, (count, *self.data_spec.image_shape))
        images = (pixels * brightness).astype(np.uint8)
        condition = self.data_spec.condition if source == "generated" else self.labels
        rows = None if condition is None else generator.permutation(condition.cycle(count))
        start, batch = 0, 0
        while start < count:
            part = slice(start, start + sizes[batch % len(sizes)])
            yield images[part].copy(), None if rows is None else rows[part].copy()
            start, batch = part.stop, batch + 1


def metric_cases(specimen: Specimen) -> list[MetricCase]:
    """Return what the metric is tested with, made once for all checks.

    It is a small model of each family that it is for; or the data, with and without their
    condition, where any images will do.

    Raises:
        CheckSkipped: it refuses all of them, or there are none.
    """
    return specimen.once("cases", lambda: _choose(specimen))


def _choose(specimen: Specimen) -> list[MetricCase]:
    target: Any = specimen.plugin.resolve()
    if target.requires is not None:
        found, refused = make_for_each_family(specimen, lambda small: _of_model(specimen, small))
    else:
        found, refused = _of_data(specimen)
    if not found:
        raise CheckSkipped(
            f"{refused.rstrip('.')}. Check it with data that it fits: --data NAME, or data="
        )
    return found


def _of_model(specimen: Specimen, small: SmallModel) -> MetricCase:
    """Return the metric with a model, for the condition of the model."""
    spec = replace(small.dataset.spec, condition=small.model.condition)
    title = f"with model {small.settings.choice.model.spec.name!r}"
    return _case(specimen, title, small.dataset.spec, spec, small.model)


def _of_data(specimen: Specimen) -> tuple[list[MetricCase], str]:
    """Return the metric with the data as they are and without a condition; and a refusal, or ""."""
    name, path = split_reference(specimen.data)
    plugin = find_dataset(name or specimen.data)
    root = find_root(plugin.spec, None, path)
    data_spec = load_data(plugin, plugin.spec.config(), root).spec
    specs = {f"with data set {data_spec.name!r}": data_spec}
    if data_spec.condition is not None:
        plain = f"with data set {data_spec.name!r} without a condition"
        specs[plain] = replace(data_spec, condition=None)
    found, refused = [], ""
    for title, spec in specs.items():
        try:
            found.append(_case(specimen, title, data_spec, spec, None))
        except InvalidValue as error:
            refused = refused or f"it refuses to be used {title}: {error}"
    return found, refused


def _case(
    specimen: Specimen, title: str, data_spec: DataSpec, spec: DataSpec, model: nn.Module | None
) -> MetricCase:
    """Return the metric with some images.

    Args:
        specimen: the metric.
        title: for messages.
        data_spec: the data, which have a judge if they have classes.
        spec: the same, with the condition that images are generated for.
        model: that it gets.

    Raises:
        InvalidValue: the metric refuses the images.
        CheckFailed: it fails in another way.
        CheckSkipped: it asks for a judge of data without classes.
    """
    plugin = specimen.plugin
    config = make_config(plugin.spec.config, specimen.options, f"metric {plugin.spec.name!r}")
    target: Any = plugin.resolve()

    def make() -> Metric:
        metric: Metric = target(config, spec)
        if model is not None:
            metric.model = model
        return metric

    try:
        make()
    except InvalidValue:
        raise
    except Exception as error:
        raise CheckFailed(
            f"{title}, it cannot be constructed ({error_line(error)}): refuse data that do not fit "
            "with gtk.InvalidValue"
        ) from error
    judge, condition = None, data_spec.condition
    if target.judged:
        if condition is None or condition.kind != "classes":
            raise CheckSkipped(
                f"it asks for a judge, and the images of {data_spec.name!r} have no classes. "
                "Check it with others: --data NAME, or data="
            )
        judge = LinearJudge(data_spec, condition.count)
    return MetricCase(title, make, spec, condition, frozenset(target.sources), judge, model)
