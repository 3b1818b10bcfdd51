"""The reporter: writes the terms of a training to metrics.jsonl, and rejects non-finite values."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from gtk.core.contracts.model import Model
from gtk.core.models.loss_networks import network_state
from gtk.core.registry.train_config import TrainConfig
from gtk.core.storage.run import Run
from gtk.core.training.evaluation import evaluate
from gtk.core.training.learner import Learner
from gtk.core.training.schedule import Schedule
from gtk.core.training.store import ImageStore
from gtk.core.values.errors import NonFiniteLoss
from gtk.core.values.figure import Figure
from gtk.core.values.setting import setting


class Reporter:
    """Writes the means of the learner's pending terms, and of terms on held-out images."""

    def __init__(self, learner: Learner, schedule: Schedule, config: TrainConfig) -> None:
        self.learner = learner
        self._schedule = schedule
        self._config = config

    def report_train(self, run: Run, step: int) -> dict[str, float]:
        """Average the pending terms, write them down, clear and return them.

        Raises:
            NonFiniteLoss: one of them is not finite.
        """
        pending = self.learner.pending
        terms = pending.means()
        if not all(map(math.isfinite, terms.values())):
            self.check_terms(run, step)
        images = pending.steps * self._schedule.images_per_step
        rate = self._schedule.learning_rate(step - 1)  # JSON writes those of parts as an object
        self._append(run, "train", images, terms, step, learning_rate=rate)
        pending.clear()
        return terms

    def report_held_out(
        self,
        run: Run,
        split: str,
        model: Model,
        images: ImageStore,
        step: int,
        networks: Mapping[str, nn.Module],
        **extra: str,
    ) -> dict[str, Any]:
        """Evaluate the weights of a step on held-out images, and return the line written.

        `networks` are the loss's, with the weights of that step, too.

        Raises:
            NonFiniteLoss: a term is not finite.
        """
        context = replace(self.learner.context, networks=networks)
        context.step.fill_(step)  # the step of these weights, which may be an earlier one
        terms = evaluate(model, self.learner.loss, images, context, self._config.seed)
        return self._append(run, split, len(images), terms, step, **extra)

    def report_samples(
        self,
        run: Run,
        figures: Mapping[str, Figure],
        units: Mapping[str, str],
        step: int,
        **extra: str,
    ) -> dict[str, Any]:
        """Return the line that is written about samples of a step's weights: finite figures."""
        line = {
            "step": step,
            "epoch": self._schedule.epoch(step),
            "split": "generated",
            "images": self._config.metric_samples,
            **extra,
            "units": {name: units[name] for name in figures},
            "terms": {name: figure.value for name, figure in figures.items()},
        }
        run.metrics_file.append(line)
        return line

    def check_terms(self, run: Run, step: int) -> None:
        """Check that all pending terms are finite; NonFiniteLoss names the first that is not."""
        pending = self.learner.pending
        found = pending.first_not_finite()
        if found is not None:
            at, what = found
            raise self._diverged(run, f"{what} at step {step - pending.steps + at}")

    def check_weights(self, run: Run, step: int) -> None:
        """Check that all weights are finite; NonFiniteLoss names the first that is not."""
        state = self.learner.model.state_dict() | network_state(self.learner.context.networks)
        weights = {name: value for name, value in state.items() if value.is_floating_point()}
        finite = torch.stack([value.isfinite().all() for value in weights.values()]).tolist()
        for name, good in zip(weights, finite, strict=True):
            if not good:
                raise self._diverged(run, f"{name} is not finite at step {step}")

    def _append(
        self, run: Run, split: str, images: int, terms: dict[str, float], step: int, **extra: object
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
            "unit": self.learner.loss.unit,
            **extra,
            "terms": terms,
        }
        run.metrics_file.append(line)
        return line

    def _diverged(self, run: Run, what: str, *, saved: bool = False) -> NonFiniteLoss:
        """Return the error; if the weights are `saved`, it calls no checkpoint good."""
        good, steps = "", run.checkpoints.steps()
        if steps and not saved:
            good = (
                f" The checkpoint of step {steps[-1]} is good to sample and export, but "
                "going on from it would end the same way."
            )
        clip = setting("clip_norm", 1)
        if self._config.clip_norm:
            clip = f"a lower {setting('clip_norm')}"
        return NonFiniteLoss(
            f"{what}{'' if saved else ', and nothing of it was saved'}.{good} Train anew with a "
            f"lower {setting('learning_rate')} or {clip}."
        )
