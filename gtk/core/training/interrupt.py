"""Ctrl-C during a training: finish and save the step before stopping."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether the user has asked to stop."""

    asked = False


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Note the first Ctrl-C instead of raising it; a second one raises at once.

    It changes nothing outside the main thread, where Python delivers no signals, or if Ctrl-C is
    ignored, as in a job that a shell put into the background.
    """
    interrupt = Interrupt()
    previous = signal.getsignal(signal.SIGINT)
    other_thread = threading.current_thread() is not threading.main_thread()
    if other_thread or previous in (signal.SIG_IGN, None):
        yield interrupt
        return

    def note(_number: int, _frame: FrameType | None) -> None:
        interrupt.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, previous)
