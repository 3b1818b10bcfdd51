"""How far long work has come, such as decoding images, while a command does it."""

from collections.abc import Iterator
from contextlib import contextmanager

from gtk.core.values.text import visible
from gtk.core.values.tracking import heard_by


@contextmanager
def work_shown() -> Iterator[None]:
    """Show a progress bar on standard error for what is tracked inside, if that is a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    tasks: dict[str, TaskID] = {}

    def hear(what: str, done: int, total: int) -> None:
        if what not in tasks:
            bar.start()
            tasks[what] = bar.add_task(visible(what), total=total)
        bar.update(tasks[what], completed=done, total=total)

    try:
        with heard_by(hear):
            yield
    finally:
        if tasks:  # else it would end a line that it has not begun
            bar.stop()
