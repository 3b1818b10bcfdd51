"""Names that somebody else chose, on a page."""

from typing import Any

import pytest
from jinja2 import UndefinedError

from gtk.pictures.page import LONGEST, LONGEST_TEXT, templates


def macro(name: str, *given: Any, **options: Any) -> str:
    """Return what a macro makes of its arguments."""
    return str(getattr(templates().get_template("macros.html").module, name)(*given, **options))


def text_of(value: object) -> str:
    """Return a value as a template prints it."""
    return templates().from_string("{{ value }}").render(value=value)


def test_markup_means_itself() -> None:
    name = "<script>alert(1)</script>\"'&"
    table = macro("table", [name], [[name]], label=name)
    for text in (text_of(name), macro("isolated", name), table):
        assert "<script" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;" in text


def test_a_long_name_is_cut() -> None:
    assert len(macro("isolated", "x" * 10_000)) < LONGEST + 20
    assert len(text_of("x" * 10_000)) == LONGEST_TEXT


def test_what_would_act_on_a_reader_is_visible() -> None:
    assert text_of("\x1b[2J\u202e\ud800") == r"\x1b[2J\u202e\ud800"


def test_what_a_template_is_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'value' is undefined"):
        templates().from_string("{{ value }}").render()


def test_a_table_says_which_cells_are_headings_and_numbers() -> None:
    text = macro(
        "table", ["term", "run"], [["loss", "1.5"], ["kl", None]], label="figures", numbers=True
    )
    assert '<th scope="col">' in text
    assert '<th scope="row"><bdi>loss</bdi></th><td class="number"><bdi>1.5</bdi></td>' in text
    assert '<td class="number"></td>' in text
