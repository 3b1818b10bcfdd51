"""Text from data, files and users, made safe to display."""

#: Between letters of some scripts and parts of some emoji: they show in what they join.
JOINERS = "\u200c\u200d"


def visible(text: object) -> str:
    r"""Return a text without characters that a terminal, a font or a page would act on.

    Control characters, marks that change the direction of writing and invalid bytes are
    written as Python writes them: an escape becomes ``\x1b``, the end of a line ``\n``.
    """
    return "".join(
        letter
        if letter.isprintable() or letter in JOINERS
        else letter.encode("unicode_escape").decode()
        for letter in str(text)
    )
