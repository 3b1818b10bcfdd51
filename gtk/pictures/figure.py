"""Figures of matplotlib as PNG files; the same figure gives the same bytes."""

import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.output import write_file

if TYPE_CHECKING:  # the import takes half a second, which only drawing needs
    from matplotlib.figure import Figure

#: Colours that colour-blind readers can distinguish: Okabe and Ito, as printed in Wong, Points of
#: view: Color blindness (Nature Methods 8, 441, 2011).
BLUE, ORANGE, GREEN, BLACK = "#0072b2", "#d55e00", "#007a56", "#000000"


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure of this size in inches, with 100 pixels per inch.

    It has the Agg canvas, since pyplot keeps every figure and may open windows.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100)
    FigureCanvasAgg(figure)
    return figure


def class_colors(count: int) -> NDArray[np.float64]:
    """Return a colour for each of `count` classes: (count, 4), red, green, blue, alpha in 0..1."""
    from matplotlib import colormaps

    if count <= 10:
        return colormaps["tab10"](np.arange(count))
    return colormaps["viridis"](np.linspace(0, 1, count))


def write_figure(figure: "Figure", path: Path) -> None:
    """Write a figure into a run as PNG, by rename: the file is whole or absent.

    Raises:
        UserError: it cannot be written, or is a link.
    """
    content = BytesIO()
    with warnings.catch_warnings():
        # A class may have any name; matplotlib draws letters that the font lacks as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        # Without matplotlib's version, so that the bytes depend on the figure alone.
        figure.savefig(content, format="png", metadata={"Software": None})
    write_file(path, content.getvalue(), follow=False)
