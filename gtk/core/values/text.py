"""Text from data, files and users, made safe to display."""

#: They join letters of some scripts and parts of some emoji, so they are not escaped.
JOINERS = "\u200c\u200d"


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
