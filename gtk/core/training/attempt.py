"""A metric that may fail during a training."""

from collections.abc import Callable

from gtk.core.contracts.metric import JudgedImages, Metric
from gtk.core.evaluation.results import results
from gtk.core.registry.installed import describe
from gtk.core.values.errors import GtkError, PluginError
from gtk.core.values.figure import Figure
from gtk.core.values.text import one_line


class Attempt:
    """A metric that may fail: then a training goes on without its figures.

    Attributes:
        sources: whose images it needs.
        failure: why it gives no figures, None if it has not failed.
        figures: by name, once they are computed.
    """

    def __init__(self, metric: Metric) -> None:
        self._metric, self.sources = metric, metric.sources
        self.failure: Exception | None = None
        self.figures: dict[str, Figure] = {}

    def update(self, images: JudgedImages) -> None:
        """Give it images."""
        self._attempt(lambda: self._metric.update(images))

    def compute(self) -> None:
        """Have it compute its figures."""
        self._attempt(self._compute)

    def _compute(self) -> None:
        self.figures, _, _ = results(self._metric)

    def _attempt(self, action: Callable[[], None]) -> None:
        """Do something with it unless it has failed; keep the reason if it fails now."""
        if self.failure is not None:
            return
        try:
            action()
        except MemoryError:
            raise
        except GtkError as error:
            self.failure = error
        except Exception as error:  # noqa: BLE001 - an outside metric may fail in any way
            reason = one_line(f"{type(error).__name__}: {error}")
            self.failure = PluginError(f"{describe(self._metric)} failed: {reason}")
