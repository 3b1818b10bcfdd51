"""The entry points of installed packages, including those with broken metadata."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points

#: Stands for the name of a package whose metadata has no name or no version.
UNREADABLE = "(unreadable metadata)"


@dataclass(frozen=True)
class PackageEntry:
    """An entry point.

    Attributes:
        group: such as "gtk.models".
        name: its own.
        package: the name of its package, or `UNREADABLE`.
        version: of the package, "?" if unreadable.
        module: the module that it points to.
    """

    group: str
    name: str
    package: str
    version: str
    module: str


def read_entry_points(groups: Collection[str] = ()) -> Iterator[PackageEntry]:
    """Yield the entry points, of some groups or all, of every readable package; import none."""
    package = cache(_package)  # parsing metadata takes most of the time: once a package
    for point in _entry_points(groups) if groups else _readable_entry_points():
        try:
            module = point.module
        except AttributeError:  # its value does not have the form module:name
            module = point.value
        yield PackageEntry(point.group, point.name, *package(point.dist), module)


def _entry_points(groups: Collection[str]) -> list[EntryPoint]:
    try:
        found = entry_points()  # reads the files of all packages, whatever the group: once
        return [point for group in groups for point in found.select(group=group)]
    except Exception:  # noqa: BLE001 - one broken package must not hide the others
        return [point for point in _readable_entry_points() if point.group in groups]


def _readable_entry_points() -> Iterator[EntryPoint]:
    for distribution in distributions():
        with suppress(Exception):
            yield from distribution.entry_points


def _package(distribution: Distribution | None) -> tuple[str, str]:
    """Return the name and version of the package that an entry point belongs to."""
    try:
        metadata = distribution.metadata  # type: ignore[union-attr]
        package, version = metadata["Name"], metadata["Version"]
    except Exception:  # noqa: BLE001 - as above; the class differs between versions of Python
        return UNREADABLE, "?"
    return (package, version) if package and version else (UNREADABLE, "?")
