"""The one trainer: takes whatever updates a loss yields, and knows no model."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Loss
from gtk.core.contracts.model import Model
from gtk.core.contracts.normalization import check_batch_size
from gtk.core.models.device import fork_random_state
from gtk.core.models.loss_networks import loss_networks, trained
from gtk.core.registry.train_config import TrainConfig
from gtk.core.storage.checkpoint import Checkpoint
from gtk.core.storage.replacement import drop_replaced
from gtk.core.storage.run import Run
from gtk.core.storage.training_time import read_training_seconds, write_training_seconds
from gtk.core.training.clock import Clock
from gtk.core.training.events import Events
from gtk.core.training.held_out import HeldOut
from gtk.core.training.learner import Learner
from gtk.core.training.progress import Progress
from gtk.core.training.reporter import Reporter
from gtk.core.training.sample_figures import SampleFigures
from gtk.core.training.schedule import Schedule
from gtk.core.training.training_images import TrainingImages
from gtk.core.values.class_balance import training_classes
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import UserError, WorkFailed
from gtk.core.values.interrupt import Interrupt, Interrupted, interruptible


class Trainer:
    """Trains a model with a loss on a data set.

    Everything random is drawn anew for each step from (seed, purpose, step), so a training that
    resumes from a checkpoint computes the same bits as one that was never stopped.

    `metrics` are the options of metrics that the config names, by metric.

    Attributes:
        schedule: what is due at which step.
        learner: the model with its optimizers.
        figures: of samples, computed during the training.
        step: steps done.
        epoch_seconds: about how long an epoch takes; 0 where it was not measured.

    Raises:
        InvalidValue: settings that do not go with this data set, this loss, or this model.
        PluginError: the model's parts share or leave out parameters, or the loss's networks cannot
            be used with this model.
    """

    def __init__(
        self,
        model: Model,
        loss: Loss,
        dataset: Dataset,
        config: TrainConfig,
        device: torch.device,
        metrics: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> None:
        self._dataset, self._config, self._device = dataset, config, device
        classes = torch.from_numpy(training_classes(dataset)) if config.balance else None
        schedule = Schedule(config, len(dataset.train), dataset.spec.name, loss.batches, classes)
        loss.check(model, schedule.total_steps)
        needed = 2 * loss.batches * config.accumulate + config.validation
        networks = loss_networks(loss, model, config.seed)
        self.learner = Learner(model, loss, networks, config, schedule.total_steps, device)
        learning = nn.ModuleList([model, *trained(networks).values()])
        check_batch_size(learning, config.batch_size, len(dataset.train), needed)
        self._images = TrainingImages(dataset, schedule, config, self.learner)
        self._reporter = Reporter(self.learner, schedule, config)
        self.figures = SampleFigures(dataset, schedule, config, model, metrics)
        self._held_out = HeldOut(
            dataset, schedule, config, self._reporter, self._images.all, self.figures
        )
        self._clock = Clock(device)
        self._seconds_before: float | None = 0.0  # of the steps before this process
        self._stopped = ""  # why it ends before its last step
        self._interrupted = False
        self.schedule = schedule
        self.step = 0
        self.epoch_seconds = 0.0

    @property
    def published(self) -> Model:
        """The model whose weights sampling and export use: the averaged one if there is one."""
        return self.learner.published

    def fit(self, run: Run, events: Events) -> None:
        """Train to the end; write metrics and checkpoints to the run, and call the callbacks.

        What follows the last step writes the same if it is done again, as a resumed training does
        that was killed there.

        Raises:
            KeyboardInterrupt: Ctrl-C or a signal asked to end; the last step is saved.
            NonFiniteLoss: a loss or a weight is not finite; the last checkpoint is good.
            WorkFailed: the disk is full or fails; a resumed training writes what is missing.
            UserError: a line of metrics.jsonl is damaged, which the early stop reads.
        """
        self._held_out.take_up(run)
        self._seconds_before = _seconds_of(run) if self.step else 0.0
        with fork_random_state(self._device), interruptible() as interrupt:
            try:
                events.train_start(run, self._progress())
                self._take_steps(run, events, interrupt)
                self._finish(run, events)
            except BaseException:
                with suppress(WorkFailed):  # the error before it is the one to report
                    self._call_with_model(events.train_end, run)
                raise
            self._call_with_model(events.train_end, run)

    def _take_steps(self, run: Run, events: Events, interrupt: Interrupt) -> None:
        """Take the steps that are left, up to an early stop, a callback's stop, or a signal."""
        self._clock.start()
        for rows in self.schedule.batches(self.step, self._images.all.place):
            self._stopped = self._reason_to_stop(events)
            if self._stopped:
                return
            self.train_step(rows)
            self._clock.images += len(rows)
            signal = interrupt.signal  # read once, since it may change while saving
            if self.schedule.anything_due(self.step) or signal or events.stopped:
                self._clock.stop()
                self._after_step(run, events, save=bool(signal))
                self._clock.start()
            if signal and self.step < self.schedule.total_steps:
                self._interrupted = True
                raise Interrupted(signal)

    def _reason_to_stop(self, events: Events) -> str:
        """Return why no further step is taken, or an empty string."""
        if self._held_out.early_stop.reached:
            return str(self._held_out.early_stop)
        return events.stopped if self.step else ""  # a run without a step cannot be tested

    def first_batch(self) -> Batch:
        """Return the batch of the first step."""
        return self._images.batch(next(self.schedule.batches(0, self._images.all.place)), 0)

    def train_step(self, rows: Tensor) -> None:
        """Take one step on the training images of these rows, (B,), int64."""
        batch = self._images.batch(rows, self.step)
        self.learner.learn(batch, self.step, self.schedule.learning_rate(self.step))
        self.step += 1

    def _after_step(self, run: Run, events: Events, *, save: bool) -> None:
        """Report, evaluate and save whatever is due."""
        if self.schedule.log_due(self.step):
            self._report_train(run, events)
        epoch_ends = self.schedule.epoch_ends(self.step)
        validates = self._config.validated and self.schedule.validation_due(self.step)
        saves = self.schedule.checkpoint_due(self.step) or validates or save
        if epoch_ends or saves or events.stopped:
            self._reporter.check_terms(run, self.step)
            self._reporter.check_weights(run, self.step)
        if epoch_ends:
            self._call_with_model(events.epoch_end, run)
        validation = self._measure(run, events, validates=validates)
        if saves or events.stopped:  # which one of these events may have asked for
            self._write_seconds(run)  # first, so that a run with a checkpoint never lacks it
            run.checkpoints.save(self.state(run, validation))
            drop_replaced(run.path)
            run.checkpoints.prune(self._config.keep_checkpoints)

    def _write_seconds(self, run: Run) -> None:
        """Write how long all steps took, unless the time of those before is lost."""
        if self._seconds_before is not None:
            write_training_seconds(run.path, self._seconds_before + self._clock.total)

    def _measure(self, run: Run, events: Events, *, validates: bool) -> float | None:
        """Evaluate what is due; return the monitored value, lower is better, of a validation."""
        metrics = self.figures.due(self.step, validates=validates)
        if not (metrics or validates):
            return None
        with self.learner.as_loaded() as model:
            lines, value = self._held_out.measure(
                run, model, self.step, metrics, validates=validates
            )
        for line in lines:
            events.evaluated(run, line["split"], line["terms"], line["step"])
        return value

    def _report_train(self, run: Run, events: Events) -> None:
        terms = self._reporter.report_train(run, self.step)
        events.step_end(run, self._progress(terms, self._clock.take_speed()))

    def _finish(self, run: Run, events: Events) -> None:
        """Report the last terms, and evaluate the weights that sampling uses on the test images."""
        if self.learner.pending.steps:  # only before the last step
            self._report_train(run, events)
        line = self._held_out.test(run)
        if line is not None:
            events.evaluated(run, line["split"], line["terms"], line["step"])

    def _call_with_model(
        self, event: Callable[[Run, Model, Dataset, Progress], None], run: Run
    ) -> None:
        """Call an event that gets the model, in eval mode."""
        with self.learner.as_loaded() as model:
            model.eval()
            event(run, model, self._dataset, self._progress())
            model.train()

    def _progress(
        self, terms: Mapping[str, float] | None = None, images_per_second: float = 0.0
    ) -> Progress:
        return Progress(
            step=self.step,
            total_steps=self.schedule.total_steps,
            epoch=self.schedule.epoch(self.step),
            epochs=self._config.epochs,
            terms=terms or {},
            images_per_second=images_per_second,
            learning_rate=self.schedule.learning_rate(max(0, self.step - 1)),
            epoch_seconds=self.epoch_seconds,
            stopped=self._stopped,
            interrupted=self._interrupted,
        )

    def state(self, run: Run, validation: float | None) -> Checkpoint:
        """Return everything that resuming from here needs."""
        return self._state(*run.metrics_file.digest(), validation)

    def first_state(self) -> Checkpoint:
        """Return what `state` does before the first step of a run without metrics."""
        return self._state(0, sha256().hexdigest(), None)

    def _state(
        self, metrics_bytes: int, metrics_sha256: str, validation: float | None
    ) -> Checkpoint:
        state = {
            "metrics_bytes": metrics_bytes,
            "metrics_sha256": metrics_sha256,
            "validation": validation,
            "pending": self.learner.pending.as_json(),
        }
        published, tensors = self.published.state_dict(), self.learner.tensors()
        return Checkpoint(self.step, published, tensors, state, self.learner.averages())

    def restore(self, checkpoint: Checkpoint) -> None:
        """Restore what `state` returned with the same settings, perhaps on another device."""
        self.learner.restore(checkpoint)
        self.step = checkpoint.step


def _seconds_of(run: Run) -> float | None:
    """Return the seconds of the steps that a run has; None where they are not known."""
    try:
        return read_training_seconds(run.path)
    except UserError:  # a training goes on without them
        return None
