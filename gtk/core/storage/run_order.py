"""The order of runs in a comparison: by a figure, the best first, or by a term of the loss."""

from collections.abc import Sequence

from gtk.core.storage.comparison import (
    IMAGES,
    Compared,
    Row,
    best_first,
    figures_of,
    final_terms,
    unlike_losses,
    unlike_sums,
)
from gtk.core.storage.evaluated_figure import EvaluatedFigure, widest
from gtk.core.values.errors import InvalidValue, unknown_name
from gtk.core.values.setting import setting


def ordered(items: Sequence[Compared], wanted: str) -> tuple[list[Compared], str]:
    """Return runs in another order, and a sentence that says by what.

    Runs without the value come last, and equal ones stay in their order.

    Args:
        items: the runs.
        wanted: METRIC.FIGURE for a figure of the runs' evaluations, the best first, by the protocol
            that most of them share. Or a term of the loss, the lowest first.

    Raises:
        UnknownName: no run has such a figure or term.
        InvalidValue: neither a higher nor a lower value is better, or the values do not compare.
    """
    figures = figures_of(items)
    named = [figure for figure in figures if figure.term == wanted]
    terms = [row for row in final_terms(items) if row.split != "generated" and row.name != IMAGES]
    if named:
        figure = _comparable(named, figures)
        better = figure.spec["better"]
        places = best_first(figure.values, better)
        text = f"Best first by {figure.words} ({figure.protocol}): {better} is better."
    else:
        row = _term(items, wanted, terms, figures)
        places = best_first(row.values, "lower")
        text = f"Lowest first by {row.name} of the {row.split} images."
    return [items[place] for place in places], text


def _comparable(named: list[EvaluatedFigure], figures: list[EvaluatedFigure]) -> EvaluatedFigure:
    """Return the one of a figure's protocols by which runs are ordered."""
    figure, others = widest(named), {it.term: None for it in figures if it.spec["better"]}
    if not figure.spec["better"]:
        raise InvalidValue(
            f"{setting('sort', figure.term)} cannot order runs, since neither a higher nor a lower "
            f"{figure.name} is better. Of their figures these can: {', '.join(others) or 'none'}"
        )
    if len(figure.tables) < 2 <= len({at for it in named for at in it.tables}):
        raise InvalidValue(
            f"{setting('sort', figure.term)} cannot order these runs, since each has it by another "
            "protocol. Evaluate the runs against the same data, with as many images"
        )
    return figure


def _term(
    items: Sequence[Compared], wanted: str, terms: list[Row], figures: list[EvaluatedFigure]
) -> Row:
    """Return the last values of a term, on the test images if it was computed on these."""
    row = next((row for row in terms if row.name == wanted), None)
    if row is None:
        known = {*(row.name for row in terms), *(it.term for it in figures if it.spec["better"])}
        raise unknown_name(
            "figure or term of these runs", wanted, known, "gtk evaluate RUN computes figures."
        )
    unlike = unlike_losses(items) or (unlike_sums(items) if wanted == "loss" else [])
    if unlike:
        raise InvalidValue(
            f"{setting('sort', wanted)} cannot order these runs. {unlike[0]} Order them by a "
            f"figure of gtk evaluate: {setting('sort', example='METRIC.FIGURE')}"
        )
    return row
