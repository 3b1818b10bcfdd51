"""Pictures in the terminal: which pixel is in which character, and in which half of it."""

import numpy as np
import pytest

from gtk.pictures.preview import half_blocks


def test_the_terminal_shows_two_pixels_in_a_character() -> None:
    pixels = np.array([[0, 255], [10, 20], [30, 40]], np.uint8)
    text = half_blocks(pixels, width=10)
    assert text.plain == "▀▀\n▀▀\n"
    assert [str(span.style) for span in text.spans] == [
        "#000000 on #0a0a0a",
        "#ffffff on #141414",
        "#1e1e1e on #000000",
        "#282828 on #000000",
    ]


@pytest.mark.parametrize(
    ("width", "height", "columns", "lines"),
    [(50, None, 50, 3), (200, 5, 100, 5), (50, 2, 40, 2), (1, 1, 1, 1), (300, 99, 200, 10)],
)
def test_a_large_picture_is_made_smaller_in_proportion(
    width: int, height: int | None, columns: int, lines: int
) -> None:
    text = half_blocks(np.zeros((20, 200, 3), np.uint8), width, height).plain.splitlines()
    assert (len(text[0]), len(text)) == (columns, lines)


def test_pixels_are_averaged_where_it_is_made_smaller() -> None:
    pixels = np.zeros((4, 4), np.uint8)
    pixels[:2, 2:] = 200
    pixels[0, 2] = 100
    (left, right) = half_blocks(pixels, width=2).spans
    assert str(left.style) == "#000000 on #000000"
    assert str(right.style) == "#afafaf on #000000"
