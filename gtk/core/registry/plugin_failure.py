"""Errors that come out of a plugin's code: whose they are, in one line."""

import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from gtk.core.registry.discovery import KINDS, Installed, Plugin, find, installed, owner
from gtk.core.registry.spec import Spec
from gtk.core.values.errors import TRACEBACK_VARIABLE, GtkError, PluginError


def plugin_failure(error: BaseException) -> PluginError | None:
    """Return what to tell a user of an error from code of a plugin that is not gtk's own.

    The plugin's code nearest to where it was raised is named: what that called, torch for
    instance, did as it was told. From Python errors arrive as they were raised; this is for the
    command line, whose users have not written the plugin, or want one line and ask for more.

    Returns:
        None where no such plugin's code had a part in it, or the error says itself what to do.
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
        plugin.installed.title for plugin in _brought_with(item) if _target(plugin.spec) in classes
    ]
    reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
    return PluginError(
        f"{' and '.join(names)}{' of ' if names else ''}{item} failed in {code.co_qualname} "
        f"({Path(code.co_filename).name}, line {line}) with {reason}. {TRACEBACK_VARIABLE}=1 shows "
        "the traceback; mend or update the package, or tell its author."
    )


def _brought_with(item: Installed) -> Iterator[Plugin[Any]]:
    """Yield all that a plugin's module brings, itself included; it has long been imported."""
    for kind in KINDS:
        for other in installed(kind):
            if (other.package, other.module) == (item.package, item.module):
                with suppress(GtkError):
                    yield find(kind, f"{other.package}/{other.name}")


def _target(spec: Spec) -> str:
    """Return the name of the class or function that does a plugin's work."""
    if isinstance(spec.target, str):
        return spec.target.rpartition(":")[2]
    return getattr(spec.target, "__name__", "")
