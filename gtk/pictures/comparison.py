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
from gtk.pictures.chart import Curve, chart, legend, term_points
from gtk.pictures.curves import term_names
from gtk.pictures.embedded import Frames, Picture, fitting
from gtk.pictures.frames import column_heads
from gtk.pictures.grid import image_grid
from gtk.pictures.markup import escaped, isolated, table
from gtk.pictures.page import LARGEST, page, section
from gtk.pictures.report import FOOTER, SPLITS
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
    names = ", ".join(item.name for item in items)
    warnings = "".join(f'<p class="warning">{escaped(text)}</p>\n' for text in caveats(items))
    title = f"{len(items)} runs compared"
    parts = [
        f'<header><p class="eyebrow">gtk compare</p>\n<h1>{title}</h1>\n',
        f"<p>{isolated(names)}</p></header>\n",
        warnings,
        section("Settings that differ", _settings(items), "settings"),
        section("Last figures", _figures(items), "figures"),
        section("Curves", _curves(items), "curves"),
        section("Samples", _samples(items, drawn, pictures, seed), "samples"),
        FOOTER,
    ]
    return page(title, "".join(parts))


def _settings(items: Sequence[Compared]) -> str:
    rows = differing_settings(items)
    if not rows:
        return "<p>All settings are the same.</p>"
    lines = [[row.name, *(setting_text(value) for value in row.values)] for row in rows]
    return table(["setting", *_names(items)], lines, label="Settings that differ")


def _figures(items: Sequence[Compared]) -> str:
    rows = final_terms(items)
    if not rows:
        return "<p>No run has reported anything yet.</p>"
    lines = [[term_title(row), *(figure_text(value) for value in row.values)] for row in rows]
    heads = ["figure", *_names(items)]
    return table(heads, lines, label="Last figures", numbers=len(items))


def term_title(row: Row) -> str:
    """Return what a figure is called: the split, the term, the unit."""
    name = f"{SPLITS[row.split]} {row.name.replace('_', ' ')}"
    return f"{name}, {row.unit}" if row.unit else name


def figure_text(value: float | None) -> str:
    """Return a figure as it is printed; a whole number is a count."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"


def _names(items: Sequence[Compared]) -> list[str]:
    return [item.name for item in items]


def _curves(items: Sequence[Compared]) -> str:
    """Return a chart for each term of any run, all runs on one."""
    lines = [line for item in items for line in item.reports]
    if not lines:
        return ""
    last = max(line["step"] for line in lines)
    charts = "".join(
        chart(term, units_of(line for line in lines if term in line["terms"]), curves, last)
        for term in term_names(lines)
        if (curves := _of_term(items, term))
    )
    present = {line["split"] for line in lines}
    splits = [
        (SPLITS[split], f"run7 {DASHES[split]}", split == "test")
        for split in SPLITS
        if split in present
    ]
    runs = [(item.name, f"run{at}", False) for at, item in enumerate(items)]
    return f'{legend(runs)}{legend(splits)}<div class="charts">{charts}</div>'


def _of_term(items: Sequence[Compared], term: str) -> list[Curve]:
    return [
        Curve(f"{item.name} {name}", f"run{at} {DASHES[split]}", points)
        for at, item in enumerate(items)
        for split, name in SPLITS.items()
        if (points := term_points(item.reports, split, term))
    ]


def _samples(items: Sequence[Compared], drawn: Sequence[Drawn], pictures: Frames, seed: int) -> str:
    blocks = "".join(
        f'<div class="block"><h3><span class="swatch run{at}" style="background:currentColor">'
        f"</span>{isolated(item.name)}</h3>{_block(item, of, pictures.get(at))}</div>\n"
        for at, (item, of) in enumerate(zip(items, drawn, strict=True))
    )
    return (
        f'<div class="blocks">{blocks}</div>\n<p class="note">From seed {seed}; where noise has '
        "the same shape, the same places have the same noise.</p>"
    )


def _block(item: Compared, drawn: Drawn, picture: Picture | None) -> str:
    if picture is None:
        return f'<p class="note">No samples: {escaped(drawn.reason or "no room for them")}</p>'
    width = item.run.data_spec.width
    return (
        f'<div class="wide"><div style="min-width:{drawn.columns * 20}px">'
        f"{column_heads(drawn.heads, drawn.columns, width)}"
        f'<img src="{picture.uri}" width="{picture.width}" height="{picture.height}" '
        f'alt="Samples of {escaped(item.name)}"></div></div>'
    )
