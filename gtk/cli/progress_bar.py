"""A progress bar for long work before a training, such as decoding images."""

from collections.abc import Iterator
from contextlib import contextmanager

from gtk.core.values.text import visible
from gtk.core.values.tracking import heard_by


@contextmanager
def work_shown() -> Iterator[None]:
    """Show a progress bar on standard error for what is tracked inside, if that is a terminal."""
    from rich import progress

    from gtk.pictures.console import SafeConsole

    console = SafeConsole(stderr=True)
    if not console.is_terminal:
        yield
        return
    bar = progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(bar_width=None),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    tasks: dict[str, progress.TaskID] = {}

    def hear(what: str, done: int, total: int) -> None:
        if what not in tasks:
            bar.start()
            tasks[what] = bar.add_task(visible(what), total=total)
        bar.update(tasks[what], completed=done, total=total)

    try:
        with heard_by(hear):
            yield
    finally:
        if tasks:  # stop() ends a line, which only start() begins
            bar.stop()
