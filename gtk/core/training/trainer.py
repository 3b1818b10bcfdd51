"""The one trainer: takes whatever updates a loss yields, and knows no model."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gtk.core.contracts.loss import Context, Loss
from gtk.core.contracts.model import Model
from gtk.core.contracts.noise import Noise
from gtk.core.contracts.normalization import check_batch_size
from gtk.core.models.device import fork_random_state
from gtk.core.registry.train_config import TrainConfig
from gtk.core.storage.checkpoint import Checkpoint
from gtk.core.storage.run import Run
from gtk.core.training.clock import Clock
from gtk.core.training.events import Events
from gtk.core.training.held_out import HeldOut
from gtk.core.training.interrupt import interruptible
from gtk.core.training.learner import Learner
from gtk.core.training.progress import Progress
from gtk.core.training.reporter import Reporter
from gtk.core.training.schedule import Schedule
from gtk.core.training.store import ImageStore
from gtk.core.training.training_images import TrainingImages
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting


class Trainer:
    """Trains a model with a loss on a data set.

    Everything random is drawn anew for each step from (seed, purpose, step), so a training that
    goes on from a checkpoint computes the same bits as one that was never stopped.

    Args:
        model: moved to the device.
        loss: yields the updates of each step.
        dataset: images for training and for the report at the end.
        config: how to train.
        device: where to train.

    Attributes:
        schedule: what is due at which step.
        learner: the model with its optimizers.
        step: steps done.

    Raises:
        InvalidValue: settings that do not go with this many images, with this loss, or with this
            model.
        PluginError: the model's parts share or leave out parameters.
    """

    def __init__(
        self, model: Model, loss: Loss, dataset: Dataset, config: TrainConfig, device: torch.device
    ) -> None:
        self.schedule = Schedule(config, len(dataset.train), dataset.spec.name, loss.batches)
        check_settings(config, model, dataset)
        loss.check(model, self.schedule.total_steps)
        self.step = 0
        self._dataset = dataset
        self._config = config
        self._device = device
        done = torch.zeros((), dtype=torch.int64, device=device)
        context = Context(Noise(device), done, self.schedule.total_steps)
        train, validation, test = make_stores(dataset, config, self.schedule, device)
        self._images = TrainingImages(train, config, model.condition, device)
        self.learner = Learner(model.to(device).train(), loss, config, context)
        self._reporter = Reporter(loss, self.schedule, config, context)
        self._held_out = HeldOut(validation, test, config, self._reporter)
        self._held_out.check(model, context)
        self._clock = Clock()

    @property
    def published(self) -> Model:
        """The model whose weights sampling and export use: the average, where there is one."""
        return self.learner.published

    def fit(self, run: Run, events: Events) -> None:
        """Train to the end, from wherever the trainer stands.

        Args:
            run: where metrics and checkpoints go.
            events: the callbacks to tell.

        Raises:
            KeyboardInterrupt: the user pressed Ctrl-C; the last step is saved.
            NonFiniteLoss: a loss or a weight is no longer a number; the last checkpoint is good.
            UserError: a line of metrics.jsonl is damaged, which the early stop reads.
        """
        self._held_out.take_up(run)
        with fork_random_state(self._device), interruptible() as interrupt:
            events.train_start(run, self._progress())
            try:
                self._clock.start()
                for rows in self.schedule.batches(self.step, self._device):
                    if self._held_out.early_stop.reached:
                        break
                    self.train_step(rows)
                    self._clock.images += len(rows)
                    stopping = interrupt.asked  # asked once: it may change while things are saved
                    if self._anything_due() or stopping:
                        self._clock.stop()
                        self._after_step(run, events, save=stopping)
                        self._clock.start()
                    if stopping and self.step < self.schedule.total_steps:
                        raise KeyboardInterrupt
                self._finish(run, events)
            finally:
                self._tell_of_model(events.train_end, run)

    def train_step(self, rows: Tensor) -> None:
        """Take every update of one step.

        Args:
            rows: row numbers of the training images, (B,), int64, on the device.
        """
        batch = self._images.batch(rows, self.step)
        self.learner.learn(batch, self.step, self.schedule.learning_rate(self.step))
        self.step += 1

    def _anything_due(self) -> bool:
        schedule = self.schedule
        return (
            schedule.log_due(self.step)
            or schedule.epoch_ends(self.step)
            or schedule.checkpoint_due(self.step)
        )

    def _after_step(self, run: Run, events: Events, *, save: bool) -> None:
        """Report, tell and save whatever is due."""
        if self.schedule.log_due(self.step):
            self._report_train(run, events)
        epoch_ends = self.schedule.epoch_ends(self.step)
        checkpoint_due = self.schedule.checkpoint_due(self.step)
        if epoch_ends or checkpoint_due or save:
            self._reporter.check_terms(run, self.learner.pending, self.step)
            self._reporter.check_weights(run, self.learner.model, self.step)
        if epoch_ends:
            self._tell_of_model(events.epoch_end, run)
        if checkpoint_due or save:
            validation = None
            if checkpoint_due and self._config.validated:
                line = self._held_out.validate(run, self.published, self.step)
                validation = line["terms"][line["monitor"]]
                events.evaluated(run, line["split"], line["terms"], line["step"])
            run.checkpoints.save(self.state(run, validation))
            run.checkpoints.prune(self._config.keep_checkpoints)

    def _report_train(self, run: Run, events: Events) -> None:
        """Write the pending terms down and tell them."""
        terms = self._reporter.report_train(run, self.learner.pending, self.step)
        events.step_end(run, self._progress(terms, self._clock.take_speed()))

    def _finish(self, run: Run, events: Events) -> None:
        """Report what is left to report, and the weights that the run now stands for, as saved."""
        if self.learner.pending.steps:  # only where it stops early
            self._report_train(run, events)
        line = self._held_out.test(run, self._device)
        if line is not None:
            events.evaluated(run, line["split"], line["terms"], line["step"])

    def _tell_of_model(
        self, event: Callable[[Run, Model, Dataset, Progress], None], run: Run
    ) -> None:
        """Tell an event that callbacks may want to look at the model for."""
        self.published.eval()
        event(run, self.published, self._dataset, self._progress())
        self.published.train()

    def _progress(
        self, terms: Mapping[str, float] | None = None, images_per_second: float = 0.0
    ) -> Progress:
        early_stop, total = self._held_out.early_stop, self.schedule.total_steps
        return Progress(
            step=self.step,
            total_steps=total,
            epoch=self.schedule.epoch(self.step),
            epochs=self._config.epochs,
            terms=terms or {},
            images_per_second=images_per_second,
            learning_rate=self.schedule.learning_rate(max(0, self.step - 1)),
            stopped=str(early_stop) if early_stop.reached and self.step < total else "",
        )

    def state(self, run: Run, validation: float | None) -> Checkpoint:
        """Return everything that going on from here needs."""
        facts = {
            "metrics_bytes": run.metrics_file.size(),
            "validation": validation,
            "pending": self.learner.pending.facts(),
        }
        weights = self.published.state_dict()
        return Checkpoint(self.step, weights, self.learner.tensors(), facts)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take up the state that `state` returned; the same settings, device apart."""
        self.learner.restore(checkpoint)
        self.step = checkpoint.step


def check_settings(config: TrainConfig, model: Model, dataset: Dataset) -> None:
    """Refuse settings that the model or the data set cannot bear.

    Raises:
        InvalidValue: it names the setting, and what to use instead.
    """
    spec = dataset.spec
    if config.validate_on_test and not len(dataset.test):
        raise InvalidValue(
            f"{spec.name} has no test images to validate on. Use "
            f"{setting('validation', example='N')} instead of {setting('validate_on_test')}."
        )
    check_batch_size(model, config.batch_size)
    if config.shift >= min(spec.image_shape[1:]):
        raise InvalidValue(
            f"{setting('shift', config.shift)} moves images of {spec.height}x{spec.width} pixels "
            "out of sight. Use less."
        )


def make_stores(
    dataset: Dataset, config: TrainConfig, schedule: Schedule, device: torch.device
) -> tuple[ImageStore, ImageStore, ImageStore]:
    """Return the images of training, validation and test."""
    conditional = dataset.spec.condition is not None
    kept = schedule.kept if config.validation else None
    train, validation, test = (
        ImageStore(split, conditional=conditional, device=device, rows=rows)
        for split, rows in (
            (dataset.train, kept),
            (dataset.train, schedule.held_out),
            (dataset.test, None),
        )
    )
    return train, validation, test
