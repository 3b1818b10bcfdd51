"""The figures of a training on their way to metrics.jsonl: none that is no number gets there."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from gtk.core.contracts.loss import Context, Loss
from gtk.core.contracts.model import Model
from gtk.core.registry.train_config import TrainConfig
from gtk.core.storage.run import Run
from gtk.core.training.evaluation import evaluate
from gtk.core.training.pending_terms import PendingTerms
from gtk.core.training.schedule import Schedule
from gtk.core.training.store import ImageStore
from gtk.core.values.errors import NonFiniteLoss
from gtk.core.values.setting import setting


class Reporter:
    """Writes down the means of training and held-out images.

    Args:
        loss: whose terms they are.
        schedule: of the training.
        config: of the training.
        context: of the training, for evaluation.

    Attributes:
        loss: as given.
    """

    def __init__(
        self, loss: Loss, schedule: Schedule, config: TrainConfig, context: Context
    ) -> None:
        self.loss = loss
        self._schedule = schedule
        self._config = config
        self._context = context

    def report_train(self, run: Run, pending: PendingTerms, step: int) -> dict[str, float]:
        """Average the pending terms, write them down, clear and return them.

        Raises:
            NonFiniteLoss: one of them is no finite number.
        """
        terms = pending.means()
        if not all(map(math.isfinite, terms.values())):
            self.check_terms(run, pending, step)
        images = pending.steps * self._schedule.images_per_step
        facts = {"learning_rate": self._schedule.learning_rate(step - 1)}
        self._append(run, "train", images, terms, step, facts)
        pending.clear()
        return terms

    def report_held_out(
        self,
        run: Run,
        split: str,
        model: Model,
        images: ImageStore,
        step: int,
        facts: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Evaluate the weights of some step on held-out images, and return the line written.

        Raises:
            NonFiniteLoss: a term is no finite number.
        """
        self._context.step.fill_(step)  # of these weights, wherever the training is by now
        terms = evaluate(model, self.loss, images, self._context, self._config.seed)
        return self._append(run, split, len(images), terms, step, facts)

    def check_terms(self, run: Run, pending: PendingTerms, step: int) -> None:
        """Refuse to go on after a step in which a term was no finite number, and name the first.

        Raises:
            NonFiniteLoss: says which, in which step, and which checkpoint is good.
        """
        found = pending.first_not_finite()
        if found is not None:
            raise self._diverged(run, f"{found} at step {step - pending.steps + found.step}")

    def check_weights(self, run: Run, model: nn.Module, step: int) -> None:
        """Refuse to save weights that are not numbers: the checkpoint before stays the last.

        Raises:
            NonFiniteLoss: names the first such tensor.
        """
        weights = {
            name: value for name, value in model.state_dict().items() if value.is_floating_point()
        }
        finite = torch.stack([value.isfinite().all() for value in weights.values()]).tolist()
        for name, good in zip(weights, finite, strict=True):
            if not good:
                raise self._diverged(run, f"{name} is no longer a finite number at step {step}")

    def _append(
        self,
        run: Run,
        split: str,
        images: int,
        terms: Mapping[str, float],
        step: int,
        facts: Mapping[str, Any],
    ) -> dict[str, Any]:
        for name, value in terms.items():
            if not math.isfinite(value):
                where = f"{name} on the {split} images is {value} at step {step}"
                raise self._diverged(run, where, saved=split == "test")
        line = {
            "step": step,
            "epoch": self._schedule.epoch(step),
            "split": split,
            "images": images,
            "unit": self.loss.unit,
            **facts,
            "terms": dict(terms),
        }
        run.metrics_file.append(line)
        return line

    def _diverged(self, run: Run, what: str, *, saved: bool = False) -> NonFiniteLoss:
        """Make the error; where the weights are `saved` no checkpoint is called good."""
        saved_steps = run.checkpoints.steps()
        good = ""
        if saved_steps and not saved:
            good = (
                f" The checkpoint of step {saved_steps[-1]} is good to sample and export, but "
                "going on from it would end the same way."
            )
        clip = setting("clip_norm", 1)
        if self._config.clip_norm:
            clip = f"a lower {setting('clip_norm')}"
        return NonFiniteLoss(
            f"{what}{'' if saved else ', and nothing of it was saved'}.{good} Train anew with a "
            f"lower {setting('learning_rate')} or {clip}."
        )
