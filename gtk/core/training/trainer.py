"""The one trainer: takes whatever updates a loss yields, and knows no model."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Loss, Update
from gtk.core.contracts.model import Model
from gtk.core.contracts.noise import Noise
from gtk.core.contracts.normalization import check_batch_size
from gtk.core.models.device import fork_random_state, global_generators
from gtk.core.registry.discovery import describe
from gtk.core.registry.train_config import TrainConfig
from gtk.core.storage.checkpoint import Checkpoint
from gtk.core.storage.early_stop import EarlyStop
from gtk.core.storage.run import Run
from gtk.core.training.augmentation import Augmentation
from gtk.core.training.average import averaged_model
from gtk.core.training.clock import Clock
from gtk.core.training.evaluation import monitored_term
from gtk.core.training.events import Events
from gtk.core.training.interrupt import interruptible
from gtk.core.training.optimizer import Optimizers
from gtk.core.training.pending_terms import PendingTerms
from gtk.core.training.progress import Progress
from gtk.core.training.reporter import Reporter
from gtk.core.training.schedule import Schedule
from gtk.core.training.store import ImageStore
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import InvalidValue, PluginError
from gtk.core.values.seeding import derive_seed


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
        step: steps done.

    Raises:
        InvalidValue: settings that do not go with this many images, with this loss, or with this
            model.
        PluginError: the model's parts share or leave out parameters.
    """

    def __init__(
        self, model: Model, loss: Loss, dataset: Dataset, config: TrainConfig, device: torch.device
    ) -> None:
        count, name = len(dataset.train), dataset.spec.name
        self.schedule = Schedule(config, count, name, loss.batches)
        if config.validate_on_test and not len(dataset.test):
            raise InvalidValue(
                f"{name} has no test images to validate on. Use --validation N instead of "
                "--validate-on-test."
            )
        check_batch_size(model, config.batch_size)
        if config.shift >= min(dataset.spec.image_shape[1:]):
            raise InvalidValue(
                f"--shift {config.shift} moves images of {dataset.spec.height}x"
                f"{dataset.spec.width} pixels out of sight. Use less."
            )
        loss.check(model, self.schedule.total_steps)
        self.step = 0
        self._model = model.to(device).train()
        self._loss = loss
        self._dataset = dataset
        self._config = config
        self._device = device
        conditional = dataset.spec.condition is not None
        self._train, self._validation, self._test = (
            ImageStore(split, conditional=conditional, device=device, rows=rows)
            for split, rows in (
                (dataset.train, self.schedule.kept if config.validation else None),
                (dataset.train, self.schedule.held_out),
                (dataset.test, None),
            )
        )
        if config.validate_on_test:
            self._validation = self._test
        self._augmentation = Augmentation(config.flip, config.shift)
        self._optimizers = Optimizers(self._model, config)
        self._averaged = averaged_model(model, config.average_decay)
        step = torch.zeros((), dtype=torch.int64, device=device)
        self._context = Context(Noise(device), step, self.schedule.total_steps)
        self._global_generators = global_generators(device)
        self._pending = PendingTerms()
        self._clock = Clock()
        self._reporter = Reporter(loss, self.schedule, config, self._context)
        self._early_stop = EarlyStop(config.patience)
        self._monitor = ""
        if config.validated:
            self._monitor = monitored_term(
                self._model, loss, self._validation, self._context, config.monitor
            )

    @property
    def published(self) -> Model:
        """The model whose weights sampling and export use: the average, where there is one."""
        if self._averaged is None:
            return self._model
        return cast("Model", self._averaged.module)

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
        patience = self._config.patience
        self._early_stop = EarlyStop(patience, run.metrics() if patience else ())
        with fork_random_state(self._device), interruptible() as interrupt:
            events.tell("gtk_train_start", run=run, progress=self._progress({}, 0.0))
            try:
                self._clock.start()
                for rows in self.schedule.batches(self.step, self._device):
                    if self._early_stop.reached:
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
                self._tell_of_model("gtk_train_end", run, events)

    def train_step(self, rows: Tensor) -> None:
        """Take every update of one step.

        Args:
            rows: row numbers of the training images, (B,), int64, on the device.
        """
        seed = derive_seed(self._config.seed, "layers", self.step)
        for generator in self._global_generators:  # dropout and whatever else draws from them
            generator.manual_seed(seed)
        batch = self._batch(rows)
        self._context.noise.seed(derive_seed(self._config.seed, "step", self.step))
        self._context.step.fill_(self.step)
        self._optimizers.set_learning_rate(self.schedule.learning_rate(self.step))
        self._pending.steps += 1
        for update in self._loss.updates(self._model, batch, self._context):
            if not _trainable(update):
                raise _untrainable(self._loss, update)
            part = self._part(update)
            self._optimizers.step(part, update.loss)
            if update.statistics:
                with torch.no_grad():
                    self._model.after_update(part, update.statistics)
            self._pending.note(
                "loss" if update.part is None else f"{part}_loss", update.loss, update.part
            )
            for name, value in update.terms.items():
                self._pending.note(name, value, update.part)
        if self._averaged is not None:
            self._averaged.update_parameters(self._model)
        self.step += 1

    def _batch(self, rows: Tensor) -> Batch:
        """Gather a step's images, augmented where that is wanted."""
        if not self._augmentation:
            return self._train.batch(rows)
        noise = self._context.noise
        noise.seed(derive_seed(self._config.seed, "augment", self.step))
        return self._train.batch(rows, lambda images: self._augmentation(images, noise))

    def state(self, run: Run, validation: float | None) -> Checkpoint:
        """Return everything that going on from here needs."""
        optimizers = self._optimizers.state()
        training = {f"optimizer/{path}": value for path, value in optimizers.items()}
        pending = self._pending.tensors()
        training |= {f"pending/{name}": values for name, values in pending.items()}
        if self._averaged is not None:
            weights = self._model.state_dict()
            training |= {f"weights/{name}": value for name, value in weights.items()}
        facts = {
            "metrics_bytes": run.metrics_file.size(),
            "validation": validation,
            "pending": self._pending.facts(),
        }
        return Checkpoint(self.step, self.published.state_dict(), training, facts)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take up the state that `state` returned; the same settings, device apart."""
        groups: dict[str, dict[str, Tensor]] = {"weights": {}, "optimizer": {}, "pending": {}}
        for path, value in checkpoint.training.items():
            group, _, name = path.partition("/")
            groups[group][name] = value
        self._model.load_state_dict(groups["weights"] or checkpoint.model)
        if self._averaged is not None:
            self._averaged.module.load_state_dict(checkpoint.model)
            self._averaged.n_averaged.fill_(checkpoint.step)
        self._optimizers.restore(groups["optimizer"])
        self._pending.restore(checkpoint.state["pending"], groups["pending"], self._device)
        self.step = checkpoint.step

    def _part(self, update: Update) -> str:
        """Return the name of the part that an update is for.

        Raises:
            PluginError: it names none of several, or one that the model has not.
        """
        parts = self._optimizers.parts
        if update.part is None and len(parts) == 1:
            return parts[0]
        if update.part in parts:
            return update.part
        raise PluginError(
            f"{describe(self._loss)} updates part '{update.part}', the model's parts are "
            f"{', '.join(parts)}."
        )

    @property
    def _stopped_early(self) -> bool:
        return self._early_stop.reached and self.step < self.schedule.total_steps

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
            self._reporter.check_terms(run, self._pending, self.step)
            self._reporter.check_weights(run, self._model, self.step)
        if epoch_ends:
            self._tell_of_model("gtk_epoch_end", run, events)
        if checkpoint_due or save:
            validation = None
            if checkpoint_due and self._config.validated:
                validation = self._validate(run, events)
            run.checkpoints.save(self.state(run, validation))
            run.checkpoints.prune(self._config.keep_checkpoints)

    def _tell_of_model(self, event: str, run: Run, events: Events) -> None:
        """Tell an event that callbacks may want to look at the model for."""
        self.published.eval()
        facts = {"run": run, "model": self.published, "dataset": self._dataset}
        events.tell(event, **facts, progress=self._progress({}, 0.0))
        self.published.train()

    def _report_train(self, run: Run, events: Events) -> None:
        """Write the pending terms down and tell them."""
        terms = self._reporter.report_train(run, self._pending, self.step)
        progress = self._progress(terms, self._clock.take_speed())
        events.tell("gtk_step_end", run=run, progress=progress)

    def _validate(self, run: Run, events: Events) -> float:
        """Evaluate the weights that would be saved now, and return the monitored term."""
        facts: dict[str, Any] = {"monitor": self._monitor}
        if self._config.validate_on_test:
            facts["images_from"] = "test"
        line = self._reporter.report_held_out(
            run, "validation", self.published, self._validation, self.step, facts
        )
        self._early_stop.note(line)
        _tell_figures(run, events, line)
        value: float = line["terms"][self._monitor]
        return value

    def _finish(self, run: Run, events: Events) -> None:
        """Report what is left to report, and the weights that the run now stands for, as saved."""
        if self._pending.steps:  # only where it stops early
            self._report_train(run, events)
        if len(self._test):
            step = run.checkpoints.choose(None)
            # Images that chose the weights are no independent judge of them, and the line says so.
            facts = {"weights_chosen_on": "test"} if self._config.validate_on_test else {}
            model = run.load_model(step).to(self._device)
            line = self._reporter.report_held_out(run, "test", model, self._test, step, facts)
            _tell_figures(run, events, line)

    def _progress(self, terms: Mapping[str, float], speed: float) -> Progress:
        return Progress(
            step=self.step,
            total_steps=self.schedule.total_steps,
            epoch=self.schedule.epoch(self.step),
            epochs=self._config.epochs,
            terms=terms,
            images_per_second=speed,
            learning_rate=self.schedule.learning_rate(max(0, self.step - 1)),
            stopped=str(self._early_stop) if self._stopped_early else "",
        )


def _trainable(update: object) -> bool:
    """Say whether an update has what a step needs: a scalar with a gradient."""
    return isinstance(update, Update) and update.loss.numel() == 1 and update.loss.requires_grad


def _untrainable(loss: Loss, update: object) -> PluginError:
    """Make the error for it: torch's own would name neither the loss nor what to do."""
    name = describe(loss)
    if not isinstance(update, Update):
        return PluginError(f"{name} yields {type(update).__name__}: yield gtk.Update(loss).")
    if update.loss.numel() != 1:
        shape = tuple(update.loss.shape)
        return PluginError(f"{name} yields a loss of shape {shape}: yield its mean, a scalar.")
    return PluginError(
        f"{name} yields a loss without a gradient: compute it from the model's parameters, outside "
        "torch.no_grad() and without detach() or item()."
    )


def _tell_figures(run: Run, events: Events, line: Mapping[str, Any]) -> None:
    """Tell the figures of held-out images, by now in metrics.jsonl."""
    facts = {name: line[name] for name in ("split", "terms", "step")}
    events.tell("gtk_evaluated", run=run, **facts)
