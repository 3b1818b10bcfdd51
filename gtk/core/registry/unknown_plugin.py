"""The error for an unknown plugin, with a hint from the metadata of installed packages."""

import re
import shlex
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path

from gtk.core.registry.entry_points import PackageEntry, read_entry_points
from gtk.core.registry.suggestion import plain, suggested_plugin
from gtk.core.values.errors import UnknownName

#: Changes to a package's pyproject.toml take effect when it is installed again.
AGAIN = "install it again (pip install -e .)"
#: How a name begins or ends that is a path.
PATH = re.compile(r"[./~\\].*|[A-Za-z]:[\\/].*|.*(/|\\|\.(py|npz|toml|json|ipynb|zip))", re.DOTALL)


def unknown_plugin(
    what: str, name: str, known: Collection[str], groups: Collection[str]
) -> UnknownName:
    """Return the error for a plugin that is not found.

    Args:
        what: a kind, or "plugin".
        name: what the user wrote, "name" or "package/name".
        known: the names that exist.
        groups: the entry point groups that were searched.
    """
    begin = f"unknown {what.replace('dataset', 'data set')} '{name}'."
    package, _, bare = name.rpartition("/")
    listing = (
        f"Known: {', '.join(sorted(known))}." if len(groups) == 1 else "gtk plugins lists all."
    )
    if is_path(name) or _exists(name):
        return UnknownName(f"{begin} {_no_path(what)} {listing}")
    for entry in read_entry_points():
        if entry.name == bare and entry.group.startswith("gtk") and entry.group not in groups:
            return UnknownName(f"{begin} {_misplaced(entry, groups)}")
    missing = _missing_package(what, package)
    if missing:
        return UnknownName(f"{begin} {missing}")
    again = f"If '{name}' is your own, {AGAIN}."
    near = suggested_plugin(what, bare, known)
    if near:
        return UnknownName(f"{begin}{near} {again}")
    return UnknownName(f"{begin} {again} {listing}")


def is_path(name: str) -> bool:
    """Say whether a name is written like a path, not like a plugin's name."""
    return PATH.fullmatch(name) is not None


def _exists(name: str) -> bool:
    """Say whether a name that may be a path, runs/mine or mine.onnx, is one of something there."""
    try:
        return not {"/", "."}.isdisjoint(name) and Path(name).exists()
    except OSError:  # it is too long, or may not be looked at
        return False


def _no_path(what: str) -> str:
    """Return what to do instead of giving a path."""
    takes = "It takes the name of an installed plugin, not a path."
    if what == "dataset":
        return f"{takes} A folder of images is folder:PATH, a file of arrays npz:PATH."
    kind = "KIND" if what == "plugin" else what
    return f"{takes} To make a package of your own: gtk plugins new NAME --kind {kind}."


def _missing_package(what: str, package: str) -> str:
    """Return how to install the package that was named, if it is not; else an empty string."""
    if not package or plain(package) in {plain(entry.package) for entry in read_entry_points()}:
        return ""
    command = f"pip install {shlex.quote(package)}"
    return suggested_plugin(what, package, ()).strip() or (
        f"Package '{package}' is not installed here. Install it: {command}"
    )


def _misplaced(entry: PackageEntry, groups: Collection[str]) -> str:
    """Return the hint that an entry point is in the wrong group."""
    right = get_close_matches(entry.group, groups, n=1, cutoff=0) if len(groups) > 1 else groups
    return (
        f"{entry.package} {entry.version} has it under '{entry.group}', not "
        f"'{''.join(right)}': if it is your own, change that in its pyproject.toml and {AGAIN}."
    )
