"""Runs side by side on one page: settings that differ, last figures, curves, samples."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gtk.core.storage.comparison import (
    Compared,
    Row,
    caveats,
    differing_settings,
    final_terms,
    units_of,
)
from gtk.pictures.chart import Chart, Curve, term_points
from gtk.pictures.curves import term_names
from gtk.pictures.embedded import Frames, Picture, fitting
from gtk.pictures.grid import image_grid
from gtk.pictures.page import LARGEST, page
from gtk.pictures.page_grid import PageGrid
from gtk.pictures.report import SPLITS
from gtk.pictures.setup import setting_text

#: How the line of each split is drawn; a colour means a run.
DASHES = {"train": "", "validation": "dashed", "test": ""}


@dataclass(frozen=True)
class Drawn:
    """Samples of a run.

    Attributes:
        images: (N, H, W) or (N, H, W, 3), row by row; None where none could be drawn.
        heads: what each column was drawn for; empty without a condition.
        columns: images in a row.
        reason: why there are none.
    """

    images: NDArray[np.uint8] | None
    heads: Sequence[str] = ()
    columns: int = 1
    reason: str = ""


def comparison(items: Sequence[Compared], drawn: Sequence[Drawn], seed: int) -> str:
    """Return the page: always less than `gtk.pictures.page.LARGEST` bytes.

    Args:
        items: the runs, at most eight: as many as there are colours.
        drawn: the samples of each.
        seed: that they were drawn from.
    """
    pictures: Frames = {
        at: Picture.of(image_grid(item.images, item.columns))
        for at, item in enumerate(drawn)
        if item.images is not None
    }
    without = {at: replace(picture, content=b"") for at, picture in pictures.items()}
    room = LARGEST - len(_page(items, drawn, without, seed).encode())
    # Each a series of its own: no run is left out so that others fit.
    chosen = fitting({str(at): {at: picture} for at, picture in pictures.items()}, room)
    kept = {at: picture for frames in chosen.values() for at, picture in frames.items()}
    return _page(items, drawn, kept, seed)


def _page(items: Sequence[Compared], drawn: Sequence[Drawn], pictures: Frames, seed: int) -> str:
    present = {line["split"] for item in items for line in item.reports}
    return page(
        "comparison.html",
        title=f"{len(items)} runs compared",
        names=[item.name for item in items],
        caveats=caveats(items),
        settings=[
            [row.name, *(setting_text(value) for value in row.values)]
            for row in differing_settings(items)
        ],
        figures=[
            [term_title(row), *(figure_text(value) for value in row.values)]
            for row in final_terms(items)
        ],
        runs=[(item.name, f"run{at}", False) for at, item in enumerate(items)],
        splits=[
            (name, f"run7 {DASHES[split]}", split == "test")
            for split, name in SPLITS.items()
            if split in present
        ],
        charts=_charts(items),
        samples=[
            (
                item.name,
                PageGrid(of.columns, item.run.data_spec.width, of.heads),
                pictures.get(at),
                of.reason or "no room for them",
            )
            for at, (item, of) in enumerate(zip(items, drawn, strict=True))
        ],
        seed=seed,
    )


def term_title(row: Row) -> str:
    """Return what a figure is called: the split, the term, the unit."""
    name = f"{SPLITS[row.split]} {row.name.replace('_', ' ')}"
    return f"{name}, {row.unit}" if row.unit else name


def figure_text(value: float | None) -> str:
    """Return a figure as it is printed; a whole number is a count."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"


def _charts(items: Sequence[Compared]) -> list[Chart]:
    """Return a chart for each term of any run, all runs on one."""
    lines = [line for item in items for line in item.reports]
    last = max((line["step"] for line in lines), default=1)
    return [
        Chart(term, units_of(line for line in lines if term in line["terms"]), curves, max(last, 1))
        for term in term_names(lines)
        if (curves := _of_term(items, term))
    ]


def _of_term(items: Sequence[Compared], term: str) -> list[Curve]:
    return [
        Curve(f"{item.name} {name}", f"run{at} {DASHES[split]}", points)
        for at, item in enumerate(items)
        for split, name in SPLITS.items()
        if (points := term_points(item.reports, split, term))
    ]
