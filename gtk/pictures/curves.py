"""Curves of a loss and its terms, as a figure."""

from typing import TYPE_CHECKING, Any

from gtk.core.storage.comparison import units_of
from gtk.pictures.chart import Reports, term_names, term_points, term_words
from gtk.pictures.figure import BLACK, BLUE, GREEN, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: How the reports of each split are drawn: training as a line, validation and samples as lines with
#: points, and the test, of which there is one report, as a mark.
STYLES: dict[str, dict[str, Any]] = {
    "train": {"color": BLUE, "linewidth": 1},
    "validation": {"color": ORANGE, "linewidth": 1, "marker": "o", "markersize": 3.5},
    "generated": {"color": GREEN, "linewidth": 1, "marker": "o", "markersize": 3.5},
    "test": {"color": BLACK, "linestyle": "none", "marker": "D", "markersize": 6},
}
#: Panels side by side. In inches: a panel, a single panel, and the room left of and below each
#: panel for its numbers, above it for its name, above all for the legend, and right of all.
COLUMNS = 3
PANEL, ONLY_PANEL = (2.5, 2.1), (5.0, 3.4)
LEFT, BELOW, ABOVE, LEGEND, RIGHT = 0.85, 0.6, 0.35, 0.3, 0.2


def loss_curves(reports: Reports) -> "Figure":
    """Draw a panel for each term, the loss first, with a curve for each split that has the term.

    Args:
        reports: lines of metrics.jsonl, at least one: step, split, unit, terms.
    """
    names = term_names(reports)
    figure, panels = _panels(len(names))
    last = max(report["step"] for report in reports)
    for index, (axes, name) in enumerate(zip(panels, names, strict=True)):
        axes.set_title(term_words(name), parse_math=False)
        _draw_term(axes, name, reports)
        axes.set_xlim(0, 1.04 * last)  # the same in all, even where a term has one point
        axes.locator_params(axis="x", nbins=4)  # step numbers may be long
        axes.set_xlabel("step")
        unit = units_of((line for line in reports if name in line["terms"]), name)
        if index % COLUMNS == 0 or unit != units_of(reports):
            axes.set_ylabel(unit, parse_math=False)
    _add_legend(figure, reports)
    return figure


def _panels(count: int) -> tuple["Figure", list["Axes"]]:
    """Return a figure with `count` empty panels, row by row.

    Their places are computed here, since a tight layout by matplotlib doubles the drawing time.
    """
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    panel_width, panel_height = ONLY_PANEL if count == 1 else PANEL
    cell_width, cell_height = LEFT + panel_width, ABOVE + panel_height + BELOW
    width, height = columns * cell_width + RIGHT, LEGEND + rows * cell_height
    figure = new_figure(width, height)
    panels = [
        figure.add_axes(
            (
                (index % columns * cell_width + LEFT) / width,
                1 - (LEGEND + index // columns * cell_height + ABOVE + panel_height) / height,
                panel_width / width,
                panel_height / height,
            )
        )
        for index in range(count)
    ]
    return figure, panels


def _draw_term(axes: "Axes", name: str, reports: Reports) -> None:
    for split, style in STYLES.items():
        points = term_points(reports, split, name)
        if points:
            # A line of one point would be invisible.
            dot: dict[str, Any] = {"marker": "o", "markersize": 3.5} if len(points) == 1 else {}
            axes.plot(*zip(*points, strict=True), **(dot | style), label=split)
    axes.grid(alpha=0.3)


def _add_legend(figure: "Figure", reports: Reports) -> None:
    """Add one legend for all panels, since a panel may lack a split."""
    from matplotlib.lines import Line2D

    splits = {report["split"] for report in reports}
    lines = [
        Line2D([], [], **style, label="samples" if split == "generated" else split)
        for split, style in STYLES.items()
        if split in splits
    ]
    figure.legend(handles=lines, loc="upper center", ncols=len(lines), frameon=False)
