"""Errors from a plugin's code, reported in one line that names the plugin."""

import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from gtk.core.registry.discovery import Plugin, find
from gtk.core.registry.installed import KINDS, Installed, installed, owner
from gtk.core.registry.spec import Spec
from gtk.core.values.errors import TRACEBACK_VARIABLE, GtkError, PluginError


def plugin_failure(error: BaseException) -> PluginError | None:
    """Return the command line's message for an error from a plugin that is not gtk's own.

    It names the plugin's innermost frame: libraries that this calls, such as torch, are rarely at
    fault. In Python, errors arrive as they were raised.

    Returns:
        None if no such plugin's code is in the traceback, or the error is one of gtk's.
    """
    if isinstance(error, GtkError | KeyboardInterrupt | GeneratorExit):
        return None
    frames = [
        (item, frame.f_code, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if (item := owner(str(frame.f_globals.get("__name__")))) is not None
    ]
    if not frames:
        return None
    item, code, line = frames[-1]
    classes = {code.co_qualname.partition(".")[0] for _, code, _ in frames}
    names = [
        plugin.installed.title for plugin in _of_module(item) if _target(plugin.spec) in classes
    ]
    reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
    return PluginError(
        f"{' and '.join(names)}{' of ' if names else ''}{item} failed in {code.co_qualname} "
        f"({Path(code.co_filename).name}, line {line}) with {reason}. {TRACEBACK_VARIABLE}=1 shows "
        "the traceback; fix or update the package, or tell its author."
    )


def _of_module(item: Installed) -> Iterator[Plugin[Any]]:
    """Yield all plugins of a plugin's module, which has been imported before."""
    for kind in KINDS:
        for other in installed(kind):
            if (other.package, other.module) == (item.package, item.module):
                with suppress(GtkError):
                    yield find(kind, f"{other.package}/{other.name}")


def _target(spec: Spec) -> str:
    """Return the name of a plugin's class or function."""
    if isinstance(spec.target, str):
        return spec.target.rpartition(":")[2]
    return getattr(spec.target, "__name__", "")
