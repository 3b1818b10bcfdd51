"""A page of an image file, as it is decoded; and a file that cannot be used."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from gtk.core.values.errors import InvalidValue
from gtk.core.values.text import visible


class BadImage(InvalidValue):
    """An image file that cannot be used; `reason` is the message without the file's name."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{visible(str(path))} {reason}")
        self.reason = reason


@dataclass(frozen=True)
class Header:
    """The size of the upright image, and its colour, from a file's header."""

    height: int
    width: int
    grey: bool


@dataclass(frozen=True)
class Page:
    """One page or frame, upright.

    Attributes:
        image: in mode L or RGB.
        largest: the largest stored value, if that is below `DARK` of the type's range: then the
            image is nearly black. None for others.
        beyond: whether a stored value is beyond the range that the user gave.
        halved: whether only the high byte of two is read.
        plain: whether the file stores these values of 8 bits, to which a range would apply.
    """

    image: Image.Image
    largest: float | None = None
    beyond: bool = False
    halved: bool = False
    plain: bool = False


#: Below this share of the range of more than 8 bits, an image is nearly black.
DARK = 0.25


def reason_of(error: Exception) -> str:
    """Return the reason of an error, without its type."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return visible(" ".join(text.split())) or type(error).__name__
