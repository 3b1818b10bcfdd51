"""A page of one file that opens from disk: what a report and a comparison are printed on."""

import base64
import hashlib
import html
from importlib.resources import files
from string import Template

from gtk.pictures.markup import shortened

#: Bytes that a page never exceeds, whatever is to be shown on it.
LARGEST = 5_000_000


def section(title: str, body: str, name: str) -> str:
    """Return a section with its heading; an empty body is none at all."""
    if not body:
        return ""
    return (
        f'<section aria-labelledby="{name}">\n<h2 id="{name}">{html.escape(title)}</h2>\n'
        f"{body}\n</section>\n"
    )


def page(title: str, body: str) -> str:
    """Return the whole document.

    Its policy lets a browser fetch nothing, and run no script but ours, known by its hash: even
    markup that slipped through from a class name could neither call out nor act.

    Args:
        title: as text.
        body: as markup.
    """
    style, script = (_part(f"page.{kind}") for kind in ("css", "js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Template(_part("page.html")).substitute(
        title=html.escape(shortened(title)),
        style=style,
        script=script,
        script_hash=f"sha256-{digest}",
        body=body,
    )


def _part(name: str) -> str:
    return (files("gtk.pictures") / name).read_text(encoding="utf-8")
