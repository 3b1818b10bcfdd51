"""Figures of the samples of a training that has ended."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.contracts.model import Model
from gtk.core.contracts.sampler import Sampler
from gtk.core.evaluation.evaluation import Chosen, chosen, evaluate
from gtk.core.evaluation.judge import TrainedJudge
from gtk.core.evaluation.judges import has_judge, has_judges, judge_of
from gtk.core.evaluation.protocol import describe_data
from gtk.core.evaluation.samples import images_at_a_time, judged_samples, spec_of_samples
from gtk.core.registry.hooks import hookimpl
from gtk.core.registry.installed import OWN_PACKAGE
from gtk.core.settings.metric_choice import metric_choice
from gtk.core.storage.evaluations import add_evaluations
from gtk.core.storage.fitted_sampler import choice_in_training, run_sampler
from gtk.core.storage.run import Run
from gtk.core.training.progress import Progress
from gtk.core.values.classes import Classes
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import InvalidValue
from gtk.plugins.callbacks.faults import SAMPLES, notes_on_figures, notes_on_terms
from gtk.plugins.callbacks.picture import drawn_with, ended

logger = logging.getLogger("gtk")

METRICS = ("class-accuracy", "frechet-distance", "diversity")
#: The most time that drawing may take, as a share of the training's, and the seconds that it may
#: take in any case.
SHARE, SHORT = 0.1, 2.0


class FinalFigures:
    """Adds figures of 1,000 samples to a run's evaluations, where that costs little.

    That is where the data's judge is kept already, and where drawing takes less than a tenth of the
    training's time.
    """

    @hookimpl
    def gtk_train_end(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Compute them after the last step, and tell what they show to be wrong."""
        if not ended(progress):
            return
        for text in notes_on_terms(run.document["loss"]["name"], run.metrics()):
            logger.warning("%s", text)
        if not (isinstance(dataset.spec.condition, Classes) and has_judges()):
            return
        described = describe_data(dataset)
        if not has_judge(described["digest"]):
            return
        device = next(model.parameters()).device
        judge = judge_of(dataset, described["digest"], device)
        step = run.checkpoints.choose(None)
        if step != progress.step:  # an earlier one, which was better, stands for the run
            model, progress = run.load_model(step).to(device), replace(progress, step=step)
        choice = choice_in_training(run.settings, {}, last=True)
        sampler = run_sampler(run, choice, model, data=dataset)
        seconds = max(SHORT, SHARE * progress.epoch * progress.epoch_seconds)
        made = drawn_with(run, progress, choice, sampler)
        metrics = _fitting(run, model, dataset)
        try:
            lines = evaluate(metrics, lambda: in_time(sampler, dataset, judge, seconds), dataset,
                             described, judge, lambda: made, left_out={})  # fmt: skip
        except TooSlow:
            return
        add_evaluations(run.path, lines)
        for text in notes_on_figures(lines, judge.accuracy):
            logger.warning("%s", text)


class TooSlow(Exception):
    """The figures would take too long."""


def in_time(
    sampler: Sampler[Any], data: Dataset, judge: TrainedJudge, seconds: float
) -> Iterator[tuple[NDArray[np.uint8], NDArray[Any] | None]]:
    """Yield samples, unless drawing and judging all of them would take longer than some seconds.

    Raises:
        TooSlow: the first batch took more than its share.
    """
    start = time.perf_counter()
    count = images_at_a_time(data.spec)
    for at, (images, condition) in enumerate(judged_samples(sampler, data, SAMPLES, count)):
        if not at:
            judge.look(images)
            if (time.perf_counter() - start) * SAMPLES / count > seconds:
                raise TooSlow
        yield images, condition


def _fitting(run: Run, model: Model, dataset: Dataset) -> list[Chosen]:
    """Return the metrics that fit the model's images, and those of the training."""
    spec = spec_of_samples(model, dataset.spec)
    names = [f"{OWN_PACKAGE}/{name}" for name in METRICS]
    choices = [metric_choice(name, {}) for name in names]
    own = run.settings.metrics
    choices += [metric_choice(name, own.get(name, {})) for name in run.settings.train.metrics]
    found = []
    for choice in {str(choice[0]): choice for choice in choices}.values():
        try:
            found.append(chosen(choice, spec, model))
        except InvalidValue:  # as of class accuracy without a condition
            continue
    return found
