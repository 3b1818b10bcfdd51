"""Held-out images: validation images choose the best checkpoint, test images judge it."""

from collections.abc import Mapping, Sequence
from typing import Any

from gtk.core.contracts.model import Model
from gtk.core.registry.train_config import TrainConfig
from gtk.core.storage.early_stop import EarlyStop, monitored_value
from gtk.core.storage.run import Run
from gtk.core.training.evaluation import monitored_term
from gtk.core.training.reporter import Reporter
from gtk.core.training.sample_figures import SampleFigures
from gtk.core.training.schedule import Schedule
from gtk.core.training.store import ImageStore
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import InvalidValue
from gtk.core.values.figure import Figure
from gtk.core.values.setting import setting


class HeldOut:
    """Evaluates held-out images, has the reporter write it down, and knows when to stop early.

    `training` has the training images, from which those for validation are taken. `figures` judge
    samples against the same images.

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
        figures: SampleFigures,
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
        monitored = figures.monitored
        if config.validated and monitored is None:
            self._monitor = monitored_term(
                learner.model, learner.loss, self._validation, learner.context, config.monitor
            )
        self._config = config
        self._reporter = reporter
        self._figures = figures
        self.early_stop = EarlyStop(config.patience)

    def take_up(self, run: Run) -> None:
        """Count the validations that a run has had so far.

        Raises:
            UserError: a line of metrics.jsonl is damaged.
        """
        patience = self._config.patience
        lines = run.metrics_file.lines() if patience else ()
        self.early_stop = EarlyStop(patience, lines)

    def measure(
        self, run: Run, model: Model, step: int, metrics: Sequence[str], *, validates: bool
    ) -> tuple[list[dict[str, Any]], float | None]:
        """Evaluate a step's weights, and return the lines that are written about them.

        Args:
            run: the run.
            model: with these weights.
            step: the step.
            metrics: those that judge samples now.
            validates: whether the loss is evaluated, too.

        Returns:
            The lines, and of a validation the monitored value, of which lower is better.
        """
        lines = [self._validated(run, model, step)] if validates else []
        found = self._figures.compute(run, model, metrics) if metrics else {}
        if found:
            lines.append(self._report(run, step, metrics, found))
        for line in lines:
            if "monitor" in line:
                self.early_stop.note(line)
                return lines, monitored_value(line)
        return lines, None

    def _validated(self, run: Run, model: Model, step: int) -> dict[str, Any]:
        extra = {"monitor": self._monitor} if self._monitor else {}
        if self._config.validate_on_test:
            extra["images_from"] = "test"
        networks = self._reporter.learner.context.networks
        return self._reporter.report_held_out(
            run, "validation", model, self._validation, step, networks, **extra
        )

    def _report(
        self, run: Run, step: int, metrics: Sequence[str], found: Mapping[str, Figure]
    ) -> dict[str, Any]:
        figures, monitored = self._figures, self._figures.monitored
        extra: dict[str, str] = {"against": figures.against}
        judge = figures.judge(metrics)
        if judge is not None:
            extra["judge"] = judge
        if monitored is not None and monitored.term in found:
            extra |= {"monitor": monitored.term, "better": monitored.spec.better}
        return self._reporter.report_samples(run, found, figures.units(metrics), step, **extra)

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
