"""Figures of samples during a training: what metrics say of its weights so far."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gtk.core.contracts.metric import Metric
from gtk.core.contracts.model import Model
from gtk.core.evaluation.evaluation import (
    Drawn,
    Sources,
    check_classes,
    chosen,
    give,
    real_images,
)
from gtk.core.evaluation.judge import TrainedJudge
from gtk.core.evaluation.judges import judge_of, keep_judge, read_judge
from gtk.core.evaluation.protocol import content_digest
from gtk.core.evaluation.results import results
from gtk.core.evaluation.samples import judged_samples, spec_of_samples
from gtk.core.models.device import fork_random_state
from gtk.core.models.loss_networks import eval_mode
from gtk.core.models.tf32 import without_tf32
from gtk.core.registry.discovery import checked_target
from gtk.core.registry.train_config import TrainConfig
from gtk.core.settings.metric_choice import metric_choice
from gtk.core.storage.fitted_sampler import choice_in_training, run_sampler
from gtk.core.storage.run import Run
from gtk.core.storage.run_folder import JUDGE
from gtk.core.training.schedule import Schedule
from gtk.core.values.dataset import Dataset, Split
from gtk.core.values.errors import InvalidValue, unknown_name
from gtk.core.values.figure import Figure, FigureSpec
from gtk.core.values.setting import setting
from gtk.core.values.text import visible

logger = logging.getLogger("gtk")

#: Images that are drawn at a time.
BATCH = 250


@dataclass(frozen=True)
class MonitoredFigure:
    """The figure of a metric that chooses the best checkpoint.

    Attributes:
        metric: the metric's name, as the user wrote it.
        figure: the figure's.
        spec: what it is.
    """

    metric: str
    figure: str
    spec: FigureSpec

    @property
    def term(self) -> str:
        """Its name in metrics.jsonl."""
        return term(self.metric, self.figure)

    @property
    def sign(self) -> int:
        """What turns it into a number of which lower is better."""
        return -1 if self.spec.better == "higher" else 1


def term(metric: str, figure: str) -> str:
    """Return the name of a figure in metrics.jsonl: "class-accuracy.worst_class"."""
    return f"{metric}.{figure}"


class SampleFigures:
    """Judges samples of a training, against images that it is not trained on.

    These are those held out for validation, where there are any, else the test images. The judge is
    kept in the run, so that a resumed training gives the same figures.

    Attributes:
        monitored: the figure that chooses the best checkpoint, None for a term of the loss.
        against: the images that it compares with, "validation" or "test".

    Raises:
        InvalidValue: a metric does not fit, or there is nothing to compare with.
        UnknownName: there is no such metric, or it has no such figure.
    """

    def __init__(
        self, dataset: Dataset, schedule: Schedule, config: TrainConfig, model: Model
    ) -> None:
        self._dataset, self._schedule, self._config = dataset, schedule, config
        self.monitored = _monitored(config.monitor)
        self.against = "validation" if config.validation else "test"
        self._judge: TrainedJudge | None = None
        self._failed = set[str]()
        monitored = [] if self.monitored is None else [self.monitored.metric]
        self._choices = {name: metric_choice(name, {}) for name in (*config.metric, *monitored)}
        for name in self._choices:
            if self._metric(name, model).judged:
                check_classes(dataset)
        if self and not config.validation and not len(dataset.test):
            raise InvalidValue(
                f"{setting('metric', next(iter(self._choices)))} compares samples with images that "
                f"are not trained on, and {dataset.spec.name} has no test images. Hold some out "
                f"with {setting('validation', example='N')}."
            )

    def __bool__(self) -> bool:
        """Whether there is any metric."""
        return bool(self._choices)

    @property
    def judge(self) -> str | None:
        """The digest of the judge, None without one."""
        return None if self._judge is None else self._judge.digest

    def due(self, step: int, *, validates: bool) -> list[str]:
        """Return the metrics that are computed after a step, which may be one of a validation."""
        monitored = None if self.monitored is None else self.monitored.metric
        names = [*self._config.metric] if self._schedule.metrics_due(step) else []
        names = [name for name in names if name != monitored and name not in self._failed]
        return [*names, monitored] if validates and monitored is not None else names

    def prepare(self, run: Run, model: Model) -> None:
        """Read the run's judge; the data's, which is trained if need be, becomes the run's.

        Raises:
            InvalidValue: the monitored metric would refuse its images, such as too few.
        """
        if any(self._class(name).judged for name in self._choices):
            self._judge = self._own_judge(run.path / JUDGE, _device(model))
        if self.monitored is None:
            return
        # Training images stand for samples: better now than at the first validation.
        name, data = self.monitored.metric, self._dataset
        rows = self._kept[: self._config.metric_samples]
        drawn = real_images(data.spec, data.train, "judging training images", rows)
        self._given([name], model, lambda: drawn)

    def compute(self, run: Run, model: Model, names: Iterable[str]) -> dict[str, Figure]:
        """Return the figures of metrics, by their names in metrics.jsonl.

        No weight, mode or generator changes.

        Raises:
            InvalidValue: the monitored metric refuses its images. Another one is left out from then
                on, with a warning.
        """

        def drawn() -> Drawn:
            choice = choice_in_training(run, {}, last=False)
            sampler = run_sampler(run, choice, model, data=self._dataset)
            return judged_samples(sampler, self._compared, self._config.metric_samples, BATCH)

        return self._given(names, model, drawn)

    def units(self, names: Iterable[str]) -> dict[str, str]:
        """Return the unit of each figure of metrics."""
        return {
            term(name, figure): spec.unit
            for name in names
            for figure, spec in self._class(name).figures.items()
        }

    def _own_judge(self, path: Path, device: torch.device) -> TrainedJudge:
        """Return the judge in a file, where the data's is kept if there is none."""
        judge = read_judge(path, self._dataset, device)
        if judge is None:
            digest = content_digest(self._dataset.train, self._dataset.test)
            judge = judge_of(self._dataset, digest, device)
            keep_judge(path, judge)
        return judge

    def _given(
        self, names: Iterable[str], model: Model, drawn: Callable[[], Drawn]
    ) -> dict[str, Figure]:
        """Give metrics what is drawn, and the data, and return their figures."""
        metrics, device = {name: self._metric(name, model) for name in names}, _device(model)
        with fork_random_state(device), eval_mode(model), torch.no_grad(), without_tf32(device):
            give(metrics.values(), self._sources(drawn), self._judge)
            return self._figures(metrics)

    def _sources(self, drawn: Callable[[], Drawn]) -> Sources:
        spec, train, test = self._dataset.spec, self._dataset.train, self._compared.test
        return {
            "generated": drawn,
            "test": lambda: real_images(spec, test, "judging held-out images"),
            "train": lambda: real_images(spec, train, "judging training images", self._kept),
        }

    def _figures(self, metrics: Mapping[str, Metric]) -> dict[str, Figure]:
        """Return the figures of metrics, without those that refuse what they were given."""
        found: dict[str, Figure] = {}
        for name, metric in metrics.items():
            try:
                figures, _, _ = results(metric)
            except InvalidValue as error:
                if self.monitored is not None and name == self.monitored.metric:
                    raise
                self._failed.add(name)
                logger.warning("metric %s is left out from here on: %s", name, visible(str(error)))
                continue
            found |= {term(name, figure): value for figure, value in figures.items()}
        return found

    def _metric(self, name: str, model: Model) -> Metric:
        """Build a metric, for one set of samples."""
        spec = spec_of_samples(model, self._dataset.spec)
        return chosen(self._choices[name], spec, model).metric

    def _class(self, name: str) -> type[Metric]:
        found: type[Metric] = checked_target(self._choices[name][0], Metric)
        return found

    @property
    def _kept(self) -> NDArray[np.int64]:
        """The rows that are trained on."""
        return self._schedule.kept.numpy()

    @cached_property
    def _compared(self) -> Dataset:
        """The data, with what samples are compared with as its test images."""
        if not self._config.validation:
            return self._dataset
        rows, train = self._schedule.held_out.numpy(), self._dataset.train
        return replace(self._dataset, test=Split(train.images[rows], train.labels[rows]))


def _device(model: Model) -> torch.device:
    return next(model.parameters()).device


def _monitored(monitor: str) -> MonitoredFigure | None:
    """Return the figure that METRIC.FIGURE names, None for a term of the loss, which has no dot.

    Raises:
        UnknownName: there is no such metric, or it has no such figure.
        InvalidValue: neither a higher nor a lower value of it is better.
    """
    name, dot, figure = monitor.rpartition(".")
    if not dot:
        return None
    figures = checked_target(metric_choice(name, {})[0], Metric).figures
    if figure not in figures:
        raise unknown_name(f"figure of {name}", figure, figures)
    spec = figures[figure]
    if not spec.better:
        known = ", ".join(other for other, it in figures.items() if it.better)
        raise InvalidValue(
            f"{setting('monitor', monitor)} cannot choose a checkpoint, since neither a higher nor "
            f"a lower {figure} is better. Of metric {name!r} these can: {known or 'none'}"
        )
    return MonitoredFigure(name, figure, spec)
