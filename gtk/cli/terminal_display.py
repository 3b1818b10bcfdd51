"""The display of commands: standard error, with a progress bar if that is a terminal."""

from contextlib import AbstractContextManager

import click

from gtk.cli.console import print_line
from gtk.cli.memory_advice import memory_advice
from gtk.cli.progress_bar import drawing_shown, work_shown
from gtk.core.values.display import Display


class TerminalDisplay(Display):
    """Shows progress, times and notes on standard error; made while a command runs."""

    def __init__(self) -> None:
        command = click.get_current_context(silent=True)
        self.remedy = memory_advice(command.info_name if command else None)

    def work(self) -> AbstractContextManager[None]:
        """Show a progress bar for what is tracked inside."""
        return work_shown()

    def drawing(self, what: str, draws: int) -> AbstractContextManager[None]:
        """Say how long drawing takes, if it is long."""
        return drawing_shown(what, draws)

    def note(self, text: str) -> None:
        """Print a line."""
        print_line(text, err=True)
