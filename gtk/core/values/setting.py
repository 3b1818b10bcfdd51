"""Names of settings in messages: arguments in Python, options on the command line."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_as_options: ContextVar[bool] = ContextVar("as_options", default=False)


def setting(name: str, value: object = None, *, example: str = "") -> str:
    """Spell a setting: `epochs=60` in Python, `--epochs 60` on the command line.

    Args:
        name: of the argument of `gtk.train`, `gtk.export`, ...
        value: what it is or should be; None names the setting alone.
        example: a placeholder for the value, such as "N".
    """
    if not _as_options.get():
        shown = example or ("" if value is None else repr(value))
        return f"{name}={shown}" if shown else name
    flag = f"--{'no-' if value is False else ''}{name.replace('_', '-')}"
    shown = example or ("" if value is None or isinstance(value, bool) else str(value))
    return f"{flag} {example or shlex.quote(shown)}" if shown else flag


@contextmanager
def settings_as_options() -> Iterator[None]:
    """Spell settings as options inside, as the command line does."""
    token = _as_options.set(True)
    try:
        yield
    finally:
        _as_options.reset(token)
