"""Progress of long work before a training, such as decoding images, told to a listener."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Item = TypeVar("Item")

#: Called with the name of the work, the items done, and their total.
Listener = Callable[[str, int, int], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Report the progress of all that is tracked inside, in this thread, to `listener`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def track(items: Iterable[Item], what: str, total: int) -> Iterator[Item]:
    """Yield the items, and tell the listener, if there is one, how many are done.

    It is told before the first with 0, and after each, so after the last with their number.

    Args:
        items: what is worked on.
        what: is done with them, as "decoding faces".
        total: how many there are.
    """
    listener = _listener.get() or _nobody
    listener(what, 0, total)
    for done, item in enumerate(items, start=1):
        yield item
        listener(what, done, total)


def _nobody(what: str, done: int, total: int) -> None:
    """Ignore the progress."""
