"""A console on which text from files, paths and users can do nothing but be read."""

from typing import Any

from rich.console import Console
from rich.protocol import is_renderable
from rich.text import Text

from gtk.core.values.text import visible


class SafeConsole(Console):
    """A rich console for text from anywhere: it prints every string, in a table too, in one line.

    What a terminal would act on, the ends of lines and what the stream's encoding lacks are
    escaped; markup and emoji codes are shown as they are written.

    Args:
        options: of `rich.console.Console`.
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - rich's own
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401 - rich's own
        """Print objects; those that rich cannot render, such as a path, as strings."""
        super().print(*(item if is_renderable(item) else str(item) for item in objects), **options)

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - rich's own
        """Return a string in one line of what the stream can show; rich calls this for each."""
        shown = visible(text).encode(self.encoding, "backslashreplace").decode(self.encoding)
        return super().render_str(shown, **options)
