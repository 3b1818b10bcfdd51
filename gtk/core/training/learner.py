"""The learner: a model with its optimizers and its average, which takes the updates of a step."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Loss, Update
from gtk.core.contracts.model import Model
from gtk.core.models.device import global_generators
from gtk.core.registry.discovery import describe
from gtk.core.registry.train_config import TrainConfig
from gtk.core.storage.checkpoint import Checkpoint
from gtk.core.training.average import averaged_model
from gtk.core.training.optimizer import Optimizers
from gtk.core.training.pending_terms import PendingTerms
from gtk.core.values.errors import PluginError
from gtk.core.values.seeding import derive_seed


class Learner:
    """Takes every update that a loss yields, and keeps all state that they change.

    Args:
        model: on its device, in train mode.
        loss: yields the updates of each step.
        config: how to train.
        context: what the loss is told; its device is the model's.

    Attributes:
        model: what is trained.
        loss: as given.
        pending: the terms since the last report.

    Raises:
        PluginError: the model's parts share or leave out parameters.
    """

    def __init__(self, model: Model, loss: Loss, config: TrainConfig, context: Context) -> None:
        self.model = model
        self.loss = loss
        self.pending = PendingTerms()
        self._context = context
        self._seed = config.seed
        self._optimizers = Optimizers(model, config)
        self._averaged = averaged_model(model, config.average_decay)
        self._global_generators = global_generators(context.step.device)

    @property
    def published(self) -> Model:
        """The model whose weights sampling and export use: the average, where there is one."""
        return self.model if self._averaged is None else cast("Model", self._averaged.module)

    def learn(self, batch: Batch, step: int, learning_rate: float) -> None:
        """Take every update of one step.

        Args:
            batch: images and conditions of the step.
            step: how many steps are done.
            learning_rate: of this step.

        Raises:
            PluginError: the loss yields what cannot be trained on.
        """
        seed = derive_seed(self._seed, "layers", step)
        for generator in self._global_generators:  # dropout and whatever else draws from them
            generator.manual_seed(seed)
        self._context.noise.seed(derive_seed(self._seed, "step", step))
        self._context.step.fill_(step)
        self._optimizers.set_learning_rate(learning_rate)
        self.pending.steps += 1
        for update in self.loss.updates(self.model, batch, self._context):
            self._take(update)
        if self._averaged is not None:
            self._averaged.update_parameters(self.model)

    def _take(self, update: Update) -> None:
        """Step down the gradient of one update, and note its terms."""
        self._check_trainable(update)
        part = self._part(update)
        self._optimizers.step(part, update.loss)
        if update.statistics:
            with torch.no_grad():
                self.model.after_update(part, update.statistics)
        name = "loss" if update.part is None else f"{part}_loss"
        self.pending.note(name, update.loss, update.part)
        for name, value in update.terms.items():
            self.pending.note(name, value, update.part)

    def _check_trainable(self, update: object) -> None:
        """Refuse an update without a scalar with a gradient: torch's error would not say whose.

        Raises:
            PluginError: it names the loss, and what to do.
        """
        name = describe(self.loss)
        if not isinstance(update, Update):
            raise PluginError(f"{name} yields {type(update).__name__}: yield gtk.Update(loss).")
        if update.loss.numel() != 1:
            shape = tuple(update.loss.shape)
            raise PluginError(f"{name} yields a loss of shape {shape}: yield its mean, a scalar.")
        if not update.loss.requires_grad:
            raise PluginError(
                f"{name} yields a loss without a gradient: compute it from the model's parameters, "
                "outside torch.no_grad() and without detach() or item()."
            )

    def _part(self, update: Update) -> str:
        """Return the name of the part that an update is for.

        Raises:
            PluginError: it names none of several, or one that the model does not have.
        """
        parts = self._optimizers.parts
        if update.part is None and len(parts) == 1:
            return parts[0]
        if update.part in parts:
            return update.part
        raise PluginError(
            f"{describe(self.loss)} updates part '{update.part}', the model's parts are "
            f"{', '.join(parts)}."
        )

    def tensors(self) -> dict[str, Tensor]:
        """Return what going on needs besides the published weights, as "group/name"."""
        groups: dict[str, Mapping[str, Tensor]] = {
            "optimizer": self._optimizers.state(),
            "pending": self.pending.tensors(),
            "weights": {} if self._averaged is None else self.model.state_dict(),
        }
        return {
            f"{group}/{name}": value
            for group, tensors in groups.items()
            for name, value in tensors.items()
        }

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take up the state that a checkpoint holds: weights, average, optimizers, terms."""
        groups: dict[str, dict[str, Tensor]] = {"weights": {}, "optimizer": {}, "pending": {}}
        for path, value in checkpoint.training.items():
            group, _, name = path.partition("/")
            groups[group][name] = value
        self.model.load_state_dict(groups["weights"] or checkpoint.model)
        if self._averaged is not None:
            self._averaged.module.load_state_dict(checkpoint.model)
            self._averaged.n_averaged.fill_(checkpoint.step)
        self._optimizers.restore(groups["optimizer"])
        device = self._context.step.device
        self.pending.restore(checkpoint.state["pending"], groups["pending"], device)
