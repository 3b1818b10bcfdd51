"""Progress of long work before a training, such as decoding images, reported to a listener."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from gtk.core.values.argument import typed

Item = TypeVar("Item")

#: Called with the name of the work, the items done, and their total.
Listener = Callable[[str, int, int], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Report to `listener` the progress of everything tracked inside, in this thread."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def is_heard() -> bool:
    """Return whether anybody listens to the progress of work in this thread."""
    return _listener.get() is not None


@typed
def track(items: Iterable[Item], what: str, total: int) -> Iterator[Item]:
    """Yield the items, and tell the listener, if there is one, how many are done.

    It is called before the first item, and after each.

    Args:
        items: what is worked on.
        what: the name of the work, such as "decoding faces".
        total: the number of items.
    """
    listener = _listener.get() or (lambda *_: None)
    listener(what, 0, total)
    for done, item in enumerate(items, start=1):
        yield item
        listener(what, done, total)
