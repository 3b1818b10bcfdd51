"""The one trainer: takes whatever updates a loss yields, and knows no model."""

import math
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gtk.core.checkpoint import Checkpoint, optimizer_state, restore_optimizer
from gtk.core.clock import Clock
from gtk.core.data import Dataset
from gtk.core.engine import fork_random_state, global_generators
from gtk.core.errors import NonFiniteLoss, PluginError
from gtk.core.evaluation import evaluate
from gtk.core.events import Events
from gtk.core.interrupt import interruptible
from gtk.core.loss import Context, Loss, Update
from gtk.core.model import Model
from gtk.core.noise import Noise
from gtk.core.parts import part_parameters
from gtk.core.progress import Progress
from gtk.core.run import Run
from gtk.core.schedule import Schedule
from gtk.core.seeding import derive_seed
from gtk.core.settings import TrainConfig
from gtk.core.store import ImageStore
from gtk.core.terms import PendingTerms


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
        InvalidValue: settings that do not go with this many images.
        PluginError: the model's parts share or leave out parameters.
    """

    def __init__(
        self, model: Model, loss: Loss, dataset: Dataset, config: TrainConfig, device: torch.device
    ) -> None:
        self.schedule = Schedule(config, len(dataset.train), dataset.spec.name)
        self.step = 0
        self._model = model.to(device).train()
        self._loss = loss
        self._config = config
        self._device = device
        conditional = dataset.spec.condition is not None
        self._train, self._validation, self._test = (
            ImageStore(split, conditional=conditional, device=device)
            for split in (
                dataset.train.take(self.schedule.kept.numpy()),
                dataset.train.take(self.schedule.held_out.numpy()),
                dataset.test,
            )
        )
        self._names: dict[Tensor, str] = {item: name for name, item in model.named_parameters()}
        self._parameters = part_parameters(model)
        self._optimizers = {
            part: torch.optim.Adam(parameters, lr=config.learning_rate, fused=True)
            for part, parameters in self._parameters.items()
        }
        self._averaged = averaged_model(model, config.average_decay)
        step = torch.zeros((), dtype=torch.int64, device=device)
        self._context = Context(Noise(device), step, self.schedule.total_steps)
        self._global_generators = global_generators(device)
        self._pending = PendingTerms()
        self._clock = Clock()

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
        """
        with fork_random_state(self._device), interruptible() as interrupt:
            events.tell("gtk_train_start", run=run, progress=self._progress({}, 0.0))
            try:
                self._clock.start()
                for rows in self.schedule.batches(self.step, self._device):
                    self.train_step(rows)
                    self._clock.images += len(rows)
                    stopping = interrupt.asked  # asked once: it may change while things are saved
                    if self._anything_due() or stopping:
                        self._clock.stop()
                        self._after_step(run, events, save=stopping)
                        self._clock.start()
                    if stopping and self.step < self.schedule.total_steps:
                        raise KeyboardInterrupt
                self._report_test(run)
            finally:
                events.tell("gtk_train_end", run=run, progress=self._progress({}, 0.0))

    def train_step(self, rows: Tensor) -> None:
        """Take every update of one step.

        Args:
            rows: row numbers of the training images, (B,), int64, on the device.
        """
        seed = derive_seed(self._config.seed, "layers", self.step)
        for generator in self._global_generators:  # dropout and whatever else draws from them
            generator.manual_seed(seed)
        self._context.noise.seed(derive_seed(self._config.seed, "step", self.step))
        self._context.step.fill_(self.step)
        batch = self._train.batch(rows)
        several = len(self._optimizers) > 1
        self._pending.steps += 1
        for update in self._loss.updates(self._model, batch, self._context):
            part = self._part(update)
            for parameter in self._parameters[part]:
                parameter.grad = None  # what zero_grad does, without its 30 microseconds of care
            # Of several parts only the one that steps gets gradients: no toggling, less work.
            inputs = self._parameters[part] if several else None
            update.loss.backward(inputs=inputs)  # type: ignore[no-untyped-call]
            self._optimizers[part].step()
            self._pending.note("loss" if update.part is None else f"{part}_loss", update.loss)
            for name, value in update.terms.items():
                self._pending.note(name, value)
        if self._averaged is not None:
            self._averaged.update_parameters(self._model)
        self.step += 1

    def state(self, run: Run, validation: float | None) -> Checkpoint:
        """Return everything that going on from here needs."""
        training = {
            f"optimizer/{part}/{path}": value
            for part, optimizer in self._optimizers.items()
            for path, value in optimizer_state(optimizer, self._names).items()
        }
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
            self._averaged.n_averaged.fill_(1)  # 0 would begin the average anew
        for part, optimizer in self._optimizers.items():
            prefix = f"{part}/"
            tensors = {
                name.removeprefix(prefix): value
                for name, value in groups["optimizer"].items()
                if name.startswith(prefix)
            }
            restore_optimizer(optimizer, self._names, tensors)
        self._pending.restore(checkpoint.state["pending"], groups["pending"], self._device)
        self.step = checkpoint.step

    def _part(self, update: Update) -> str:
        """Return the name of the part that an update is for.

        Raises:
            PluginError: it names none of several, or one that the model has not.
        """
        parts = list(self._optimizers)
        if update.part is None and len(parts) == 1:
            return parts[0]
        if update.part in self._optimizers:
            return update.part
        raise PluginError(
            f"{type(self._loss).__name__} updates part '{update.part}', the model's parts are "
            f"{', '.join(parts)}."
        )

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
            terms = self._report_train(run)
            progress = self._progress(terms, self._clock.take_speed())
            events.tell("gtk_step_end", run=run, progress=progress)
        if self.schedule.epoch_ends(self.step):
            self._check_weights()
            progress = self._progress({}, 0.0)
            self.published.eval()
            events.tell("gtk_epoch_end", run=run, model=self.published, progress=progress)
            self.published.train()
        checkpoint_due = self.schedule.checkpoint_due(self.step)
        if save or checkpoint_due:
            self._check_weights()
            validation = None
            if checkpoint_due and len(self._validation):
                validation = self._report(
                    run, "validation", self.published, self._validation, self.step
                )
            run.checkpoints.save(self.state(run, validation))

    def _report_train(self, run: Run) -> dict[str, float]:
        """Average the pending terms, write them down and return them."""
        steps, terms = self._pending.take()
        self._append(run, "train", steps * self._config.batch_size, terms, self.step)
        return terms

    def _report(self, run: Run, split: str, model: Model, store: ImageStore, step: int) -> float:
        """Evaluate the weights of some step on held-out images, and return the loss."""
        terms = evaluate(model, self._loss, store, self._context, self._config.seed)
        self._append(run, split, len(store), terms, step)
        return terms["loss"]

    def _report_test(self, run: Run) -> None:
        """Evaluate the weights that the run now stands for, as saved, on the test images."""
        if len(self._test):
            step = run.checkpoints.choose(None)
            self._report(run, "test", run.load_model(step).to(self._device), self._test, step)

    def _append(
        self, run: Run, split: str, images: int, terms: Mapping[str, float], step: int
    ) -> None:
        for name, value in terms.items():
            if not math.isfinite(value):
                raise self._diverged(f"{name} ({split})")
        run.metrics_file.append(
            {
                "step": step,
                "epoch": self.schedule.epoch(step),
                "split": split,
                "images": images,
                "unit": self._loss.unit,
                "terms": dict(terms),
            }
        )

    def _check_weights(self) -> None:
        """Refuse to save weights that are not numbers: the checkpoint before stays the last."""
        for parameter, name in self._names.items():
            if not torch.isfinite(parameter).all():
                raise self._diverged(name)

    def _diverged(self, what: str) -> NonFiniteLoss:
        return NonFiniteLoss(
            f"{what} is no longer a finite number at step {self.step}, and nothing of it was "
            "saved. Train anew with a lower --learning-rate."
        )

    def _progress(self, terms: Mapping[str, float], speed: float) -> Progress:
        return Progress(
            step=self.step,
            total_steps=self.schedule.total_steps,
            epoch=self.schedule.epoch(self.step),
            epochs=self._config.epochs,
            terms=terms,
            images_per_second=speed,
        )


def averaged_model(model: Model, decay: float) -> AveragedModel | None:
    """Return a copy that follows the model's weights at a distance, None for a decay of 0."""
    if not decay:
        return None
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=average, use_buffers=False)
