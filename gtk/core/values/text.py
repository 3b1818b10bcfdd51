"""Text from data, files and users, made safe to display."""

import os

#: They join letters of some scripts and parts of some emoji, so they are not escaped.
JOINERS = "\u200c\u200d"

#: The most characters of a message, and of a word in it: both may quote a name of any length.
LONGEST_LINE, LONGEST_WORD = 4000, 300


def one_line(text: object) -> str:
    """Return a text as one line of a message: unprintable characters escaped, long words cut."""
    words = (shortened(word, LONGEST_WORD) for word in str(text).split())
    return shortened(visible(" ".join(words)), LONGEST_LINE)


def shortened(text: str, longest: int = 80) -> str:
    """Return a text without its middle where it has more than `longest` characters."""
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]}...{text[-half:]}"


def counted(number: int, what: str) -> str:
    """Return a number with what it counts: "1 image", "2 images"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def as_utf8(text: str) -> str:
    """Return a path or an argument as UTF-8; in the locale C, for one, Python reads ASCII alone."""
    return os.fsencode(text).decode(errors="surrogateescape")


def visible(text: object) -> str:
    r"""Return a text with its unprintable characters escaped as Python does.

    These are control characters, marks that change the direction of writing and invalid bytes: an
    escape becomes ``\x1b``, the end of a line ``\n``.
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(
        letter
        if letter.isprintable() or letter in JOINERS
        else letter.encode("unicode_escape").decode()
        for letter in text
    )
