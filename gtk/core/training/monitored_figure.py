"""The figure of a metric that chooses the best checkpoint."""

from dataclasses import dataclass

from gtk.core.contracts.metric import Metric
from gtk.core.registry.discovery import checked_target
from gtk.core.settings.metric_choice import metric_choice
from gtk.core.values.errors import InvalidValue, unknown_name
from gtk.core.values.figure import FigureSpec
from gtk.core.values.setting import setting


@dataclass(frozen=True)
class MonitoredFigure:
    """The figure of a metric that chooses the best checkpoint.

    Attributes:
        metric: the metric's name, as the user wrote it.
        figure: the figure's.
        spec: what it is.
    """

    metric: str
    figure: str
    spec: FigureSpec

    @property
    def term(self) -> str:
        """Its name in metrics.jsonl."""
        return term(self.metric, self.figure)


def term(metric: str, figure: str) -> str:
    """Return the name of a figure in metrics.jsonl: "class-accuracy.worst_class"."""
    return f"{metric}.{figure}"


def monitored_figure(monitor: str) -> MonitoredFigure | None:
    """Return the figure that METRIC.FIGURE names, None for a term of the loss, which has no dot.

    Raises:
        UnknownName: there is no such metric, or it has no such figure.
        InvalidValue: neither a higher nor a lower value of it is better.
    """
    name, dot, figure = monitor.rpartition(".")
    if not dot:
        return None
    figures = checked_target(metric_choice(name, {})[0], Metric).figures
    if figure not in figures:
        raise unknown_name(f"figure of {name}", figure, figures)
    spec = figures[figure]
    if not spec.better:
        known = ", ".join(other for other, it in figures.items() if it.better)
        raise InvalidValue(
            f"{setting('monitor', monitor)} cannot choose a checkpoint, since neither a higher nor "
            f"a lower {figure} is better. Of metric {name!r} these can: {known or 'none'}"
        )
    return MonitoredFigure(name, figure, spec)
