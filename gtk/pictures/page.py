"""A page in one file that opens from disk, such as a report or a comparison."""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from gtk.core.values.text import visible
from gtk.pictures.embedded import Frames, fitting
from gtk.pictures.grid import GAP

if TYPE_CHECKING:  # the terminal's part of a comparison works without Jinja2
    from jinja2 import Environment

#: The most bytes of a page.
LARGEST = 5_000_000
#: The most characters of a name and of any other text: a class name in a CSV file may be very long.
LONGEST, LONGEST_TEXT = 120, 2000


@dataclass(frozen=True)
class PageGrid:
    """A grid of images on a page, laid out as by `image_grid`.

    Attributes:
        columns: images side by side.
        width: of an image in the data set's own pixels, from which the gaps follow.
        heads: a name for each column, or none.
        cell: least width of an image on the screen in pixels; wider grids scroll.
    """

    columns: int
    width: int
    heads: Sequence[str] = ()
    cell: int = 32

    @property
    def gap(self) -> float:
        """The gap between two columns, as a percentage of the grid's width."""
        return 100 * GAP / (self.columns * (self.width + GAP) - GAP)


def shortened(value: object, longest: int = LONGEST) -> str:
    """Return a printable text of at most `longest` characters."""
    text = visible(value)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def page_with(pictures: Mapping[str, Frames], render: Callable[[Mapping[str, Frames]], str]) -> str:
    """Return a page of less than `LARGEST` bytes, rendered with as much of the pictures as fits."""
    empty = {
        name: {epoch: replace(picture, content=b"") for epoch, picture in frames.items()}
        for name, frames in pictures.items()
    }
    return render(fitting(pictures, LARGEST - len(render(empty).encode())))


def page(template: str, **values: object) -> str:
    """Return the document that a template makes of values.

    Its policy lets a browser fetch nothing, and run only this script, which its hash identifies: if
    markup in a class name were not escaped, it could neither connect nor act.
    """
    folder = files("gtk.pictures") / "templates"
    style, script = ((folder / f"page.{kind}").read_text("utf-8") for kind in ("css", "js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        templates()
        .get_template(template)
        .render(values, style=style, script=script, script_hash=f"sha256-{digest}")
    )


@cache
def templates() -> "Environment":
    """Return the templates, in which each value is made printable, shortened and escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    def shown(value: object) -> object:
        # A macro's result, and what a template calls safe, is markup.
        return value if hasattr(value, "__html__") else shortened(value, LONGEST_TEXT)

    environment = Environment(
        loader=PackageLoader("gtk.pictures"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["shortened"] = shortened
    return environment
