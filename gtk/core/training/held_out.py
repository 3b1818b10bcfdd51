"""Held-out images: the validation chooses the best checkpoint, the test judges it at the end."""

from typing import Any

import torch

from gtk.core.contracts.loss import Context
from gtk.core.contracts.model import Model
from gtk.core.registry.train_config import TrainConfig
from gtk.core.storage.early_stop import EarlyStop
from gtk.core.storage.run import Run
from gtk.core.training.evaluation import monitored_term
from gtk.core.training.reporter import Reporter
from gtk.core.training.store import ImageStore


class HeldOut:
    """Evaluates held-out images, writes the figures down, and knows when to stop early.

    Args:
        validation: images of the validation; read only where `config.validated`.
        test: images of the test; there may be none.
        config: how to train.
        reporter: writes the figures to metrics.jsonl.

    Attributes:
        early_stop: the validations so far.
    """

    def __init__(
        self, validation: ImageStore, test: ImageStore, config: TrainConfig, reporter: Reporter
    ) -> None:
        self._validation = test if config.validate_on_test else validation
        self._test = test
        self._config = config
        self._reporter = reporter
        self._monitor = ""
        self.early_stop = EarlyStop(config.patience)

    def check(self, model: Model, context: Context) -> None:
        """Find the term that chooses the best checkpoint, before a training starts.

        Raises:
            InvalidValue: the loss evaluates no such term, or none is named.
            PluginError: the loss does not evaluate as its contract says.
        """
        if self._config.validated:
            self._monitor = monitored_term(
                model, self._reporter.loss, self._validation, context, self._config.monitor
            )

    def take_up(self, run: Run) -> None:
        """Count the validations that a run has had so far.

        Raises:
            UserError: a line of metrics.jsonl is damaged.
        """
        patience = self._config.patience
        self.early_stop = EarlyStop(patience, run.metrics() if patience else ())

    def validate(self, run: Run, model: Model, step: int) -> dict[str, Any]:
        """Evaluate a checkpoint's weights, and return the line that is written of them."""
        facts: dict[str, Any] = {"monitor": self._monitor}
        if self._config.validate_on_test:
            facts["images_from"] = "test"
        line = self._reporter.report_held_out(
            run, "validation", model, self._validation, step, facts
        )
        self.early_stop.note(line)
        return line

    def test(self, run: Run, device: torch.device) -> dict[str, Any] | None:
        """Evaluate the weights that a run stands for, as saved; None without test images."""
        if not len(self._test):
            return None
        step = run.checkpoints.choose(None)
        # Images that chose the weights are no independent judge of them, and the line says so.
        facts = {"weights_chosen_on": "test"} if self._config.validate_on_test else {}
        model = run.load_model(step).to(device)
        return self._reporter.report_held_out(run, "test", model, self._test, step, facts)
