"""What a metric says of the images that it was given, checked."""

import json
import math
from collections.abc import Mapping
from typing import Any

from gtk.core.contracts.metric import Metric
from gtk.core.registry.installed import describe
from gtk.core.values.errors import PluginError
from gtk.core.values.figure import Figure


def results(metric: Metric) -> tuple[dict[str, Figure], dict[str, Any], dict[str, Any]]:
    """Return a metric's figures in its order, its details, and what its protocol adds.

    Raises:
        PluginError: figures are not those that it names, not finite or outside their interval, or
            the rest cannot be written as JSON.
    """
    figures = _computed(metric)
    records = {"details": dict(metric.details()), "protocol": dict(metric.protocol())}
    for name, record in records.items():
        try:
            json.dumps(record, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise PluginError(
                f"{name}() of {describe(metric)} cannot be written as JSON: {error}."
            ) from error
    return figures, records["details"], records["protocol"]


def _computed(metric: Metric) -> dict[str, Figure]:
    """Return a metric's figures in its order.

    Raises:
        PluginError: they are not those that it names, or not finite.
    """
    found: Any = metric.compute()
    if not isinstance(found, Mapping) or set(found) != set(metric.figures):
        given = ", ".join(map(str, found)) if isinstance(found, Mapping) else type(found).__name__
        raise PluginError(
            f"compute() of {describe(metric)} must return {', '.join(metric.figures)}, and gives "
            f"{given}."
        )
    return {name: _finite(metric, name, found[name]) for name in metric.figures}


def _finite(metric: Metric, name: str, given: Any) -> Figure:  # noqa: ANN401 - whatever a plugin returns
    """Return a figure of plain floats, low <= value <= high."""
    figure = given if isinstance(given, Figure) else Figure(given)
    ends = [end for end in (figure.low, figure.high) if end is not None]
    try:
        value, *interval = (float(number) for number in (figure.value, *ends))
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"compute() of {describe(metric)} gives {name} of {given!r:.60}."
        ) from error
    if not all(map(math.isfinite, (value, *interval))):
        raise PluginError(
            f"compute() of {describe(metric)} gives {name} of {given!r:.60}: return finite "
            "numbers, or raise gtk.InvalidValue with what is missing."
        )
    if len(interval) == 1 or (interval and not interval[0] <= value <= interval[1]):
        raise PluginError(
            f"compute() of {describe(metric)} gives {name} of {given!r:.60}: an interval has two "
            "ends, with the value between them."
        )
    return Figure(value, *interval)
