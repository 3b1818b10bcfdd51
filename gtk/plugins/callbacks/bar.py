"""A bar that also reads where there is no colour."""

from rich.text import Text


def bar(width: int, share: float) -> Text:
    """Draw a bar of so many characters, of which a share is done."""
    done = round(width * min(1.0, max(0.0, share)))
    return Text().append("━" * done, "cyan").append("─" * (width - done), "bright_black")
