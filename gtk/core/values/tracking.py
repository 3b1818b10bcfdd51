"""Long work before a training, such as decoding images: whoever shows how far it has come hears."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Item = TypeVar("Item")

#: Called with what is done, how many items of it, and of how many.
Listener = Callable[[str, int, int], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Have `listener` told of all that is tracked inside, from this thread."""
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
    """Hear nothing."""
