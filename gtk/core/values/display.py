"""Where long work is shown to the user; the command line has a display of its own."""

import logging
from contextlib import AbstractContextManager, nullcontext

from gtk.core.values.text import visible

logger = logging.getLogger("gtk")


class Display:
    """The display of a Python program: it shows no progress, and logs notes as warnings.

    Attributes:
        remedy: what to try where drawing lacks memory; "" for what `Run.drawing` says.
    """

    remedy: str = ""

    def work(self) -> AbstractContextManager[None]:
        """Show the progress of what is tracked inside."""
        return nullcontext()

    def drawing(self, what: str, draws: int) -> AbstractContextManager[None]:
        """Show how long `draws` tracked draws inside take together.

        Args:
            what: what is drawn, and how.
            draws: how many draws there are, all alike.
        """
        del what, draws
        return nullcontext()

    def note(self, text: str) -> None:
        """Tell the user something in one line."""
        logger.warning("%s", visible(text))
