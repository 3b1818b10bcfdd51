"""The figures of samples that a training has by itself: those that take little of its time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from gtk.core.contracts.model import Model
from gtk.core.evaluation.evaluation import check_classes
from gtk.core.evaluation.judge import JudgeNetwork, seen
from gtk.core.evaluation.judge_training import seconds_to_train
from gtk.core.evaluation.judges import has_judge
from gtk.core.evaluation.protocol import content_digest
from gtk.core.evaluation.remembering_judge import MOST
from gtk.core.evaluation.samples import images_at_a_time, judged_samples
from gtk.core.models.build import build_sampler
from gtk.core.models.device import fork_random_state
from gtk.core.models.loss_networks import eval_mode
from gtk.core.models.sampler_fit import learns
from gtk.core.registry.train_config import TrainConfig
from gtk.core.settings.choice import Settings
from gtk.core.storage.fitted_sampler import choice_in_training
from gtk.core.training.schedule import epoch_due
from gtk.core.training.trainer import Trainer
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import InvalidValue

#: The share of a training's time that its figures may take, and that of training a judge for them.
SHARE = 0.1
#: The shortest training that has them, in seconds, and the fewest times that they are worth while.
LONG, FEWEST = 15.0, 3
#: Images that are drawn and judged to see how long that takes, on a CPU.
TRIED = 25


def with_figures(
    names: Sequence[str],
    trainer: Trainer,
    settings: Settings,
    model: Model,
    data: Dataset,
    seconds: float,
) -> TrainConfig:
    """Return the settings of a training, with the metrics that it has the time for.

    Args:
        names: of the metrics that would be computed.
        trainer: of the training, before the first step; its `figures` get the metrics.
        settings: of the training.
        model: the training's, as it is sampled.
        data: what it is trained on.
        seconds: about how long it takes.
    """
    train = replace(settings.train, metric=())
    drawn_by: Any = settings.choice.sampler.resolve()
    if not names or seconds < LONG or learns(drawn_by):  # its images are those of the end alone
        return train
    if not _has_judge_in_time(data, model, SHARE * seconds):
        return train
    epochs = range(1, train.epochs + 1)
    times = sum(epoch_due(epoch, train.epochs, 0) for epoch in epochs)
    first, later = _seconds(settings, model, data)
    affordable = int((SHARE * seconds - first) / later)
    if affordable < min(FEWEST, times):
        return train
    every = 0 if times <= affordable else -(-train.epochs // affordable)
    fitting = trainer.figures.add(names, every, model)
    return replace(train, metric=fitting, metric_every=every if fitting else 0)


def _has_judge_in_time(data: Dataset, model: Model, seconds: float) -> bool:
    """Return whether the data have a judge, or one that is trained in so many seconds."""
    try:
        check_classes(data)
    except InvalidValue:
        return False
    if has_judge(content_digest(data.train, data.test)):
        return True
    return seconds_to_train(data, next(model.parameters()).device) < seconds


def _seconds(settings: Settings, model: Model, data: Dataset) -> tuple[float, float]:
    """Return about how long it takes to judge real images, and to draw and judge samples once."""
    device, drawn = next(model.parameters()).device, settings.train.metric_samples
    sampler = build_sampler(*choice_in_training(settings, {}, last=False), model)
    # A GPU takes about as long for a few as for a batch.
    tried = TRIED if device.type == "cpu" else min(drawn, images_at_a_time(data.spec))
    with fork_random_state(device), eval_mode(model), torch.no_grad():
        judge = JudgeNetwork(data.spec).to(device).eval()  # one that is not trained takes as long
        ((images, _),) = judged_samples(sampler, data, tried, tried)
        drawing = _timed(lambda: list(judged_samples(sampler, data, tried, tried)))
        list(seen(judge, images))
        judging = _timed(lambda: list(seen(judge, images)))
    real = (settings.train.validation or len(data.test)) + drawn  # held-out and training images
    forgotten = max(0, real - MOST)  # which are judged again each time
    later = drawn * (drawing + judging) + forgotten * judging
    return real * judging / tried, later / tried


def _timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
