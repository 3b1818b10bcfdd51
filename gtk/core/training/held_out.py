"""Held-out images: validation images choose the best checkpoint, test images judge it."""

from typing import Any

from gtk.core.contracts.model import Model
from gtk.core.registry.train_config import TrainConfig
from gtk.core.storage.early_stop import EarlyStop
from gtk.core.storage.run import Run
from gtk.core.training.evaluation import monitored_term
from gtk.core.training.reporter import Reporter
from gtk.core.training.schedule import Schedule
from gtk.core.training.store import ImageStore
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting


class HeldOut:
    """Evaluates held-out images, has the reporter write the terms, and knows when to stop early.

    `training` has the training images, from which those for validation are taken.

    Attributes:
        early_stop: the validations so far.

    Raises:
        InvalidValue: there are no test images to validate on, or the loss evaluates no term that
            chooses the best checkpoint, or none is named.
        PluginError: the loss does not evaluate as its contract says.
    """

    def __init__(
        self,
        dataset: Dataset,
        schedule: Schedule,
        config: TrainConfig,
        reporter: Reporter,
        training: ImageStore,
    ) -> None:
        learner = reporter.learner
        if config.validate_on_test and not len(dataset.test):
            raise InvalidValue(
                f"{dataset.spec.name} has no test images to validate on. Use "
                f"{setting('validation', example='N')} instead of {setting('validate_on_test')}."
            )
        conditional, self._device = dataset.spec.condition is not None, learner.device
        self._test = ImageStore(dataset.test, conditional=conditional, device=self._device)
        self._validation, self._monitor = self._test, ""
        if config.validation:
            self._validation = training.part(schedule.held_out)  # on a GPU only once
        if config.validated:
            self._monitor = monitored_term(
                learner.model, learner.loss, self._validation, learner.context, config.monitor
            )
        self._config = config
        self._reporter = reporter
        self.early_stop = EarlyStop(config.patience)

    def take_up(self, run: Run) -> None:
        """Count the validations that a run has had so far.

        Raises:
            UserError: a line of metrics.jsonl is damaged.
        """
        patience = self._config.patience
        self.early_stop = EarlyStop(patience, run.metrics_file.lines() if patience else ())

    def validate(self, run: Run, model: Model, step: int) -> dict[str, Any]:
        """Evaluate a checkpoint's weights, and return the line that is written about them."""
        extra = {"images_from": "test"} if self._config.validate_on_test else {}
        line = self._reporter.report_held_out(
            run,
            "validation",
            model,
            self._validation,
            step,
            self._reporter.learner.context.networks,
            monitor=self._monitor,
            **extra,
        )
        self.early_stop.note(line)
        return line

    def test(self, run: Run) -> dict[str, Any] | None:
        """Evaluate the weights that sampling uses, as saved; None without test images."""
        if not len(self._test):
            return None
        step = run.checkpoints.choose(None)
        # Images that chose the weights do not judge them independently, and the line says so.
        extra = {"weights_chosen_on": "test"} if self._config.validate_on_test else {}
        model, learner = run.load_model(step).to(self._device), self._reporter.learner
        networks = learner.context.networks
        if networks:
            networks = learner.networks_of(run.checkpoints.load(step))
        return self._reporter.report_held_out(
            run, "test", model, self._test, step, networks, **extra
        )
