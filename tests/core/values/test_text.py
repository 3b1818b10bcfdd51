"""What a name from somebody's data may hold, and how it is shown."""

import pytest

from gtk.core.values.text import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Größe 再構成 ñ", "Größe 再構成 ñ"),
        ("a\x1b[31m\nb\x00\x9b", r"a\x1b[31m\nb\x00\x9b"),
        ("\u202eright to left", r"\u202eright to left"),
        ("caf\udcff", r"caf\udcff"),
        ("👩‍🎨 می‌خواهم", "👩‍🎨 می‌خواهم"),
        (3, "3"),
    ],
)
def test_only_what_shows_is_left(text: object, shown: str) -> None:
    assert visible(text) == shown
    visible(text).encode()
