"""The error for an unknown plugin, with a hint from the metadata of installed packages."""

from collections.abc import Collection
from difflib import get_close_matches

from gtk.core.registry.entry_points import PackageEntry, read_entry_points
from gtk.core.values.errors import UnknownName, did_you_mean

#: Changes to a package's pyproject.toml take effect when it is installed again.
AGAIN = "install it again (pip install -e .)"


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
    bare = name.rpartition("/")[2]
    for entry in read_entry_points():
        if entry.name == bare and entry.group.startswith("gtk") and entry.group not in groups:
            return UnknownName(f"{begin} {_misplaced(entry, groups)}")
    again = f"If '{name}' is your own, {AGAIN}."
    near = did_you_mean(name, known)
    if near:
        return UnknownName(f"{begin}{near} {again}")
    listing = (
        f"Known: {', '.join(sorted(known))}." if len(groups) == 1 else "gtk plugins lists all."
    )
    return UnknownName(f"{begin} {again} {listing}")


def _misplaced(entry: PackageEntry, groups: Collection[str]) -> str:
    """Return the hint that an entry point is in the wrong group."""
    right = get_close_matches(entry.group, groups, n=1, cutoff=0) if len(groups) > 1 else groups
    return (
        f"{entry.package} {entry.version} has it under '{entry.group}', not "
        f"'{''.join(right)}': if it is your own, change that in its pyproject.toml and {AGAIN}."
    )
