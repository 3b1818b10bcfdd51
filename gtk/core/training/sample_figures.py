"""Figures of samples during a training: what metrics say of its weights so far."""

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

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
from gtk.core.evaluation.remembering_judge import RememberingJudge
from gtk.core.evaluation.samples import images_at_a_time, judged_samples, spec_of_samples
from gtk.core.models.device import fork_random_state
from gtk.core.models.loss_networks import eval_mode
from gtk.core.models.tf32 import without_tf32
from gtk.core.registry.discovery import checked_target
from gtk.core.registry.train_config import TrainConfig
from gtk.core.settings.metric_choice import MetricChoice, metric_choice, short_name
from gtk.core.storage.fitted_sampler import choice_in_training, run_sampler
from gtk.core.storage.run import Run
from gtk.core.storage.run_folder import JUDGE
from gtk.core.training.attempt import Attempt
from gtk.core.training.monitored_figure import MonitoredFigure, monitored_figure, term
from gtk.core.training.schedule import Schedule, epoch_due
from gtk.core.values.dataset import Dataset, Split
from gtk.core.values.errors import GtkError, InvalidValue
from gtk.core.values.figure import Figure
from gtk.core.values.memory import shortage
from gtk.core.values.setting import setting
from gtk.core.values.text import one_line, visible

logger = logging.getLogger("gtk")


class SampleFigures:
    """Judges samples of a training, against images that it is not trained on.

    These are those held out for validation, where there are any, else the test images. The judge is
    kept in the run, so that a resumed training gives the same figures. `options` are those of the
    metrics that the config names, by metric; others have their defaults.

    Attributes:
        monitored: the figure that chooses the best checkpoint, None for a term of the loss.
        against: the images that it compares with, "validation" or "test".

    Raises:
        InvalidValue: a metric does not fit, or there is nothing to compare with.
        UnknownName: there is no such metric, or it has no such figure.
    """

    def __init__(
        self,
        dataset: Dataset,
        schedule: Schedule,
        config: TrainConfig,
        model: Model,
        options: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> None:
        self._dataset, self._schedule, self._config = dataset, schedule, config
        self.monitored = monitored_figure(config.monitor)
        self.against = "validation" if config.validation else "test"
        self._judge: TrainedJudge | None = None
        self._judge_of_real: RememberingJudge | None = None
        self._warned = set[str]()
        self._names, self._every, self._options = config.metrics, config.metric_every, options
        self._choices = {name: self._choice(name) for name in self._names}
        self._untried = self._names
        if self.monitored is not None:
            self._add_monitored(self.monitored)
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

    def _add_monitored(self, monitored: MonitoredFigure) -> None:
        """Have the monitored metric computed, once if another name of it is there already."""
        plugin, config = self._choice(monitored.metric)
        for name, (known, _) in self._choices.items():
            if known == plugin:
                self.monitored = replace(monitored, metric=name)
                return
        self._choices[monitored.metric] = plugin, config
        self._untried += (monitored.metric,)

    def _choice(self, name: str) -> MetricChoice:
        return metric_choice(name, self._options.get(name, {}))

    def judge(self, names: Iterable[str]) -> str | None:
        """Return the digest of the judge that metrics ask, None if none does."""
        judged = any(self._class(name).judged for name in names)
        return self._judge.digest if judged and self._judge is not None else None

    def due(self, step: int, *, validates: bool) -> list[str]:
        """Return the metrics that are computed after a step, which may be one of a validation."""
        monitored = None if self.monitored is None else self.monitored.metric
        names = [name for name in self._names if name != monitored and self._is_due(step)]
        return [*names, monitored] if validates and monitored is not None else names

    def _is_due(self, step: int) -> bool:
        schedule, epochs = self._schedule, self._config.epochs
        return schedule.epoch_ends(step) and epoch_due(schedule.epoch(step), epochs, self._every)

    def add(self, names: Iterable[str], every: int, model: Model) -> tuple[str, ...]:
        """Have metrics computed, too, as far as they take the model's images; return their names.

        The data's judge is trained if need be.

        Args:
            names: of metrics.
            every: epochs between figures, counted as `epoch_due` does.
            model: the training's, before the first step.
        """
        known = [plugin for plugin, _ in self._choices.values()]
        choices = {short_name(name): metric_choice(name, {}) for name in names}
        added = [name for name, choice in choices.items() if choice[0] not in known]
        self._choices |= {name: choices[name] for name in added}
        self._names, self._every = self._taking(added, model), every
        for name in set(added) - set(self._names):
            del self._choices[name]
        return self._names

    def _taking(self, names: Iterable[str], model: Model) -> tuple[str, ...]:
        """Return which of some metrics take the model's images; none by a judge that guesses."""
        fitting = []
        for name in names:
            with suppress(InvalidValue):
                self._metric(name, model)
                fitting.append(name)
        try:
            self._read_judge(None, _device(model))
        except InvalidValue:
            return ()
        failed = self._failures(fitting, model)
        return tuple(name for name in fitting if name not in failed)

    def prepare(self, run: Run, model: Model, *, first: bool) -> None:
        """Read the run's judge; the data's, which is trained if need be, becomes the run's.

        Before the `first` step training images stand for samples, to see whether metrics take them.

        Raises:
            InvalidValue: a metric would refuse its images, such as too few.
            PluginError: a metric does not return the figures that it names.
        """
        self._read_judge(run.path / JUDGE, _device(model))
        if first:
            for failure in self._failures(self._untried, model).values():
                raise failure

    def _failures(self, names: Iterable[str], model: Model) -> dict[str, Exception]:
        """Return why metrics do not take training images, which stand for samples."""
        spec = spec_of_samples(model, self._dataset.spec)
        rows = np.resize(self._kept, self._config.metric_samples)
        drawn = real_images(spec, self._dataset.train, "judging training images", rows)
        tried = self._given(names, model, lambda: drawn).items()
        return {name: one.failure for name, one in tried if one.failure is not None}

    def compute(self, run: Run, model: Model, names: Iterable[str]) -> dict[str, Figure]:
        """Return the figures of metrics, by their names in metrics.jsonl.

        A metric that fails gives none, with a warning the first time. No weight, mode or generator
        changes.
        """

        def drawn() -> Drawn:
            choice = choice_in_training(run.settings, {}, last=False)
            sampler = run_sampler(run, choice, model, data=self._dataset)
            count = images_at_a_time(self._dataset.spec)
            return judged_samples(sampler, self._compared, self._config.metric_samples, count)

        found: dict[str, Figure] = {}
        try:
            given = self._given(names, model, drawn)
        except (GtkError, RuntimeError) as error:  # a training is worth more than its figures
            lacking = shortage(error) is not None
            reason = "drawing them takes too much memory" if lacking else one_line(error)
            logger.warning("no figures of samples at this step: %s", visible(reason))
            return found
        for name, one in given.items():
            if one.failure is not None and name not in self._warned:
                self._warned.add(name)
                reason = one_line(one.failure)
                logger.warning("metric %s gives no figures: %s", name, visible(reason))
            found |= {term(name, figure): value for figure, value in one.figures.items()}
        return found

    def units(self, names: Iterable[str]) -> dict[str, str]:
        """Return the unit of each figure of metrics."""
        return {
            term(name, figure): spec.unit
            for name in names
            for figure, spec in self._class(name).figures.items()
        }

    def _read_judge(self, path: Path | None, device: torch.device) -> None:
        """Read the judge in a run's file, if metrics ask one; the data's is kept there first."""
        if not any(self._class(name).judged for name in self._choices):
            return
        kept = None if path is None else read_judge(path, self._dataset, device)
        if kept is None:
            digest = content_digest(self._dataset.train, self._dataset.test)
            kept = self._judge or judge_of(self._dataset, digest, device)
            if path is not None:
                keep_judge(path, kept)
        self._judge, self._judge_of_real = kept, RememberingJudge(kept)

    def _given(
        self, names: Iterable[str], model: Model, drawn: Callable[[], Drawn]
    ) -> dict[str, "Attempt"]:
        """Give metrics what is drawn, and the data, and have them compute their figures."""
        tried, device = {name: Attempt(self._metric(name, model)) for name in names}, _device(model)
        with fork_random_state(device), eval_mode(model), torch.no_grad(), without_tf32(device):
            give(tried.values(), self._sources(drawn), self._judge, self._judge_of_real)
            for one in tried.values():
                one.compute()
        return tried

    def _sources(self, drawn: Callable[[], Drawn]) -> Sources:
        spec, train, test = self._dataset.spec, self._dataset.train, self._compared.test
        return {
            "generated": drawn,
            "test": lambda: real_images(spec, test, "judging held-out images"),
            "train": lambda: real_images(spec, train, "judging training images", self._kept),
        }

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
