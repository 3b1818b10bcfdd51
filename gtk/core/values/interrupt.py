"""Interrupts: the signals that ask a program to end, Ctrl-C among them."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

#: Sent by Ctrl-C, by batch systems and `kill`, and by a terminal that closes; Windows lacks one.
SIGNALS = [
    signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Interrupted(KeyboardInterrupt):
    """A signal asked the program to end; `exit_code` is 128 and its number, as in a shell."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class Interrupt:
    """The first signal that asked to end: its number, 0 before one has come."""

    signal = 0


@contextmanager
def interruptible(*, at_once: bool = False) -> Iterator[Interrupt]:
    """Note the first signal that asks to end, and raise Interrupted at a second, or `at_once`.

    It changes nothing outside the main thread, where Python delivers no signals, and leaves alone
    what is ignored: SIGHUP under nohup, SIGINT in a job that a shell put into the background.
    """
    interrupt = Interrupt()

    def note(number: int, _frame: FrameType | None) -> None:
        if at_once and _torch_is_being_imported():
            os._exit(128 + number)
        if interrupt.signal or at_once:
            raise Interrupted(number)
        interrupt.signal = number

    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in SIGNALS}
    caught = {
        number: handler
        for number, handler in before.items()
        if handler not in (signal.SIG_IGN, None)
    }
    try:
        for number in caught:
            signal.signal(number, note)
        yield interrupt
    finally:
        for number, handler in caught.items():
            signal.signal(number, handler)


def _torch_is_being_imported() -> bool:
    """Return whether an exception would end in C++ code of torch, which aborts the process then."""
    spec = getattr(sys.modules.get("torch"), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


def interrupt_code(error: BaseException | None) -> int | None:
    """Return the exit code of the interrupt that an error is or came from, None without one.

    Libraries raise errors of their own from an interrupt, and a terminal that was closed cannot be
    told of one: writing to it raises.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:  # an error may be its own cause
        if isinstance(error, KeyboardInterrupt):
            return getattr(error, "exit_code", 128 + signal.SIGINT)
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None
