"""A page of one file that opens from disk: what a report and a comparison are printed on."""

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from gtk.core.values.text import visible

if TYPE_CHECKING:  # what makes no page runs where Jinja2 is not installed
    from jinja2 import Environment

#: Bytes that a page never exceeds, whatever is to be shown on it.
LARGEST = 5_000_000
#: Characters of a name that are shown, and of any other text; a class name in somebody's CSV may
#: be a novel.
LONGEST, LONGEST_TEXT = 120, 2000


def shortened(value: object, longest: int = LONGEST) -> str:
    """Return a visible text of at most so many characters."""
    text = visible(value)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def page(template: str, **facts: object) -> str:
    """Return the whole document that a template makes of facts.

    Its policy lets a browser fetch nothing, and run no script but ours, known by its hash: even
    markup that slipped through from a class name could neither call out nor act.
    """
    folder = files("gtk.pictures") / "templates"
    style, script = ((folder / f"page.{kind}").read_text("utf-8") for kind in ("css", "js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        templates()
        .get_template(template)
        .render(facts, style=style, script=script, script_hash=f"sha256-{digest}")
    )


@cache
def templates() -> "Environment":
    """Return the templates: a value in them is escaped, and made visible and short before that."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    def shown(value: object) -> object:
        # What a macro returns, or a template calls safe, is markup already.
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
