"""What runs cost: seconds of training, evaluations of networks for an image, parameters."""

from collections.abc import Sequence

from gtk.core.storage.comparison import Compared, Row, order_of
from gtk.core.storage.evaluations import EvaluationLine

#: Their names.
SECONDS, EVALUATIONS, PARAMETERS = "seconds of training", "evaluations for an image", "parameters"


def costs(
    items: Sequence[Compared], lines: Sequence[EvaluationLine | None]
) -> dict[str, list[float | None]]:
    """Return the costs of runs by name, None where one is not known.

    Args:
        items: the runs.
        lines: an evaluation of each, which says by how many evaluations of a network an image was
            drawn.
    """
    return {
        SECONDS: [item.seconds for item in items],
        EVALUATIONS: [line["made"].get("evaluations") if line else None for line in lines],
        PARAMETERS: [_parameters(item) for item in items],
    }


def cost_rows(items: Sequence[Compared]) -> list[Row]:
    """Return the costs that are known of any run; evaluations are those of a run's last figures."""
    known = costs(items, [item.evaluations[-1] if item.evaluations else None for item in items])
    return [
        Row(name, [_text(value) for value in values], order=order_of(values, "lower"))
        for name, values in known.items()
        if any(value is not None for value in values)
    ]


def _parameters(item: Compared) -> int | None:
    """Return the parameters of a run's networks, without those that its loss brings."""
    networks = item.run.document.get("networks")
    return sum(networks.values()) if networks else None


def _text(value: float | None) -> str | None:
    """Return a cost as a text: a count, or seconds with a tenth."""
    if value is None:
        return None
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
