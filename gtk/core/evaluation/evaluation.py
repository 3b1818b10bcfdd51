"""Run metrics over what was drawn, and over the data that it is compared with."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gtk.core.contracts.metric import Judge, JudgedImages, Metric, Source
from gtk.core.evaluation.asked import random_rows
from gtk.core.evaluation.protocol import protocol_hash, protocol_of
from gtk.core.evaluation.results import results
from gtk.core.registry.discovery import checked_target
from gtk.core.settings.metric_choice import MetricChoice
from gtk.core.storage.evaluations import EvaluationLine, FigureTable
from gtk.core.values.classes import Classes
from gtk.core.values.dataset import Dataset, DataSpec, Split
from gtk.core.values.errors import InvalidValue
from gtk.core.values.figure import Figure
from gtk.core.values.tracking import track

#: Images in one update.
BATCH = 500

#: Images (N, C, H, W) and what they were made for, a batch at a time.
Drawn: TypeAlias = Iterable[tuple[NDArray[np.uint8], NDArray[Any] | None]]
#: What makes the images of each source; each is called once, if a metric needs its images.
Sources: TypeAlias = Mapping[Source, Callable[[], Drawn]]


class StatedJudge(Judge, Protocol):
    """A judge with what protocols say of it."""

    @property
    def stated(self) -> dict[str, Any]:
        """Its digest, and its accuracy on the test images."""


@dataclass(frozen=True)
class Chosen:
    """A metric that will be computed.

    Attributes:
        choice: its plugin and options.
        metric: the object that judges these images.
    """

    choice: MetricChoice
    metric: Metric


def chosen(choice: MetricChoice, spec: DataSpec, model: object | None) -> Chosen:
    """Build a metric of images, and hand it the model if it requires one.

    Args:
        choice: the metric and its options.
        spec: the images, with the condition that the generated ones have.
        model: what made them, None where only images are known.

    Raises:
        InvalidValue: it does not fit the data or the model.
        PluginError: its target is not a metric.
    """
    plugin, config = choice
    metric_class = checked_target(plugin, Metric)
    requires, name = metric_class.requires, plugin.spec.name
    if requires is not None and not isinstance(model, requires):
        what = "only its images are known"
        if model is not None:
            what = f"{type(model).__name__} is not one"
        raise InvalidValue(
            f"metric {name!r} is for models of type {requires.__name__}, and {what}: leave it out"
        )
    conditional = getattr(model, "condition", None) is not None
    if requires is not None and conditional and spec.condition is None:
        raise InvalidValue(
            f"metric {name!r} gives the model its condition, which these data lack: leave it out, "
            "or evaluate against the model's own data"
        )
    metric: Metric = plugin.call(config, spec)
    if requires is not None:
        metric.model = model
    return Chosen(choice, metric)


def check_classes(data: Dataset) -> None:
    """Refuse data of which no judge can be trained, or that could not tell how good it is.

    Raises:
        InvalidValue: there are no classes, or images of one are missing.
    """
    name, condition = data.spec.name, data.spec.condition
    if not isinstance(condition, Classes) or condition.count < 2:
        raise InvalidValue(
            f"a judge is trained on classes, and {name} has none: leave out the metrics that need "
            "one, or evaluate against data with classes"
        )
    missing = condition.unlearnable(data.train.labels)
    if missing:
        raise InvalidValue(
            f"a judge of {name} cannot be trained, since class {missing[0]!r} has no training image"
        )
    if not len(data.test):
        raise InvalidValue(f"a judge of {name} cannot be tested, since there are no test images")


def check_better_than_guessing(accuracy: float, data: Dataset, name: str) -> None:
    """Refuse a judge that is right about no more test images than the most frequent class has.

    Args:
        accuracy: the share of test images whose class it sees.
        data: what it judges.
        name: of the judge, for the message.

    Raises:
        InvalidValue: it is no better than a guess.
    """
    if accuracy > np.bincount(data.test.labels).max() / len(data.test):
        return
    raise InvalidValue(
        f"{name} is right about {accuracy:.1%} of the test images of {data.spec.name}, no more "
        "than a guess: check whether classes are in another order, labels are wrong, or it takes "
        "images in another range than 0..1"
    )


def evaluate(
    metrics: Sequence[Chosen],
    drawn: Callable[[], Drawn],
    data: Dataset,
    described: Mapping[str, Any],
    judge: StatedJudge | None,
    made: Callable[[], Mapping[str, Any]],
    left_out: dict[str, str] | None = None,
) -> list[EvaluationLine]:
    """Give metrics the images that they need, and return what they say of these.

    Args:
        metrics: what is computed.
        drawn: draws the images that are judged; called once, if a metric needs them.
        data: what they are compared with.
        described: what `describe_data` returned of these.
        judge: of the data; None where no metric asks for one.
        made: tells how the images were made, for programs; called at the end.
        left_out: gets the metrics that refuse what they are given, as too few images, with the
            reason; None to raise it.

    Raises:
        InvalidValue: a metric does not take what it is given.
        PluginError: a metric does not return the figures that it names.
    """
    sources: Sources = {
        "generated": drawn,
        "test": lambda: real_images(data.spec, data.test, "judging test images"),
        "train": lambda: real_images(data.spec, data.train, "judging training images"),
    }
    counts = give([one.metric for one in metrics], sources, judge)
    how: Any = dict(made())
    created = datetime.now(UTC).isoformat(timespec="seconds")
    lines = []
    for one in metrics:
        metric, name = one.metric, one.choice[0].spec.name
        try:
            figures, details, said = results(metric)
        except InvalidValue as error:
            if left_out is None:
                raise
            left_out[name] = str(error)
            continue
        stated = judge.stated if judge is not None and metric.judged else None
        images = counts["generated"] if "generated" in metric.sources else 0
        protocol: Any = protocol_of(one.choice, said, described, images, stated)
        lines.append(
            EvaluationLine(
                metric=name,
                hash=protocol_hash(protocol),
                figures={key: _table(metric, key, figure) for key, figure in figures.items()},
                details=details,
                protocol=protocol,
                made=how,
                created=created,
            )
        )
    return lines


class Taker(Protocol):
    """What is given images: a metric."""

    @property
    def sources(self) -> frozenset[Source]:
        """Whose images it needs."""

    def update(self, images: JudgedImages) -> None:
        """Take in some images."""


def give(
    metrics: Iterable[Taker],
    sources: Sources,
    judge: Judge | None,
    judge_of_real: Judge | None = None,
) -> dict[Source, int]:
    """Give metrics the images of the sources that they need; return how many of each there were.

    Args:
        metrics: what takes the images.
        sources: the images.
        judge: looks at them; None where no metric asks for one.
        judge_of_real: looks at those that are not generated; by default the same.
    """
    metrics, counts = [*metrics], dict[Source, int]()
    for source, batches in sources.items():
        takers = [metric for metric in metrics if source in metric.sources]
        counts[source] = 0
        for images, condition in batches() if takers else ():
            counts[source] += len(images)
            one = judge if source == "generated" else judge_of_real or judge
            shown = JudgedImages(images, condition, source, one)
            for metric in takers:
                metric.update(shown)
    return counts


def _table(metric: Metric, name: str, figure: Figure) -> FigureTable:
    """Return a figure with what it is."""
    spec = metric.figures[name]
    table: FigureTable = {
        "value": figure.value,
        "unit": spec.unit,
        "share": spec.share,
        "better": spec.better,
    }
    if figure.low is not None and figure.high is not None:
        table["low"], table["high"] = figure.low, figure.high
    return table


def real_images(
    spec: DataSpec, split: Split, what: str, rows: NDArray[np.int64] | None = None
) -> Iterator[tuple[NDArray[np.uint8], NDArray[Any] | None]]:
    """Yield images and labels of a split, in a random order that is always the same.

    Args:
        spec: of the data.
        split: the split.
        what: a name for the work, whose progress is told.
        rows: which of its images; by default all.
    """
    order = random_rows(len(split) if rows is None else len(rows))
    if rows is not None:
        order = rows[order]
    starts = range(0, len(order), BATCH)
    for start in track(starts, what, len(starts)):
        chosen = order[start : start + BATCH]
        yield split.images[chosen], None if spec.condition is None else split.labels[chosen]
