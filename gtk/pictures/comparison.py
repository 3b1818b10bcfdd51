"""Runs side by side on one page: settings that differ, last figures, curves and samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gtk.core.storage.comparison import (
    Compared,
    Row,
    caveats,
    differing_settings,
    evaluated_figures,
    final_terms,
)
from gtk.core.storage.run_cost import cost_rows
from gtk.pictures.chart import Source, term_charts, term_words
from gtk.pictures.cost_chart import cost_charts
from gtk.pictures.embedded import Frames, Picture
from gtk.pictures.grid import image_grid
from gtk.pictures.page import PageGrid, page, page_with
from gtk.pictures.report import SPLITS
from gtk.pictures.setup import setting_text

#: How the line of each split is drawn; a colour means a run.
DASHES = {"train": "", "validation": "dashed", "test": "", "generated": ""}


@dataclass(frozen=True)
class Drawn:
    """Samples of a run.

    Attributes:
        images: (N, H, W) or (N, H, W, 3), row by row; None where drawing failed.
        heads: the condition of each column; empty without a condition.
        columns: images in a row.
        reason: why there are none.
    """

    images: NDArray[np.uint8] | None
    heads: Sequence[str] = ()
    columns: int = 1
    reason: str = ""


def comparison(
    items: Sequence[Compared], drawn: Sequence[Drawn], seed: int, order: str = ""
) -> str:
    """Return the page, of less than `gtk.pictures.page.LARGEST` bytes.

    Args:
        items: the runs, at most eight, since there are eight colours.
        drawn: the samples of each.
        seed: of their noise.
        order: a sentence that says by what the runs are ordered, if by anything.
    """
    # Each is a series of its own, so that no run is left out to make room for others.
    pictures = {
        str(at): {0: Picture.of(image_grid(item.images, item.columns))}
        for at, item in enumerate(drawn)
        if item.images is not None
    }
    return page_with(pictures, lambda chosen: _page(items, drawn, chosen, seed, order))


def _page(
    items: Sequence[Compared],
    drawn: Sequence[Drawn],
    pictures: Mapping[str, Frames],
    seed: int,
    order: str,
) -> str:
    figures = figure_rows(items)
    present = {line["split"] for item in items for line in item.reports}
    return page(
        "comparison.html",
        title=f"{len(items)} runs compared",
        names=[item.name for item in items],
        order=order,
        caveats=caveats(items),
        settings=[
            [row.name, *(setting_text(value) for value in row.values)]
            for row in differing_settings(items)
        ],
        figures=[
            [term_title(row), *(figure_text(value) for value in row.values)] for row in figures
        ],
        orders={at: row.order for at, row in enumerate(figures)},
        cost_charts=cost_charts(items),
        runs=[(item.name, f"run{at}", False) for at, item in enumerate(items)],
        splits=[
            (name, f"run7 {DASHES[split]}", split == "test")
            for split, name in SPLITS.items()
            if split in present
        ],
        charts=term_charts(
            [
                Source(f"{item.name} {name}", f"run{at} {DASHES[split]}", split, item.reports)
                for at, item in enumerate(items)
                for split, name in SPLITS.items()
            ]
        ),
        samples=[
            (
                item.name,
                PageGrid(of.columns, item.run.data_spec.width, of.heads),
                pictures.get(str(at), {}).get(0),
                of.reason or "no room for them",
            )
            for at, (item, of) in enumerate(zip(items, drawn, strict=True))
        ],
        seed=seed,
    )


def figure_rows(items: Sequence[Compared]) -> list[Row]:
    """Return the last terms of runs, their figures, and what they cost."""
    return [*final_terms(items), *evaluated_figures(items), *cost_rows(items)]


def term_title(row: Row) -> str:
    """Return the name of a figure: its split, its term and its unit."""
    split = f"{SPLITS[row.split]} " if row.split else ""
    name = f"{split}{term_words(row.name)}" if row.split else row.name.replace("_", " ")
    return f"{name}, {row.unit}" if row.unit else name


def figure_text(value: float | str | None) -> str:
    """Return a figure as it is printed; an integer is a count, and a text stays."""
    if value is None or isinstance(value, str):
        return value or "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"
