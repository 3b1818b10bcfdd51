"""The entry points of installed packages, including those with broken metadata."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distributions, entry_points

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


def read_entry_points(group: str | None = None) -> Iterator[PackageEntry]:
    """Yield the entry points, of a group or all, of every readable package; import none."""
    for point in _readable_entry_points() if group is None else _entry_points(group):
        try:
            module = point.module
        except AttributeError:  # its value does not have the form module:name
            module = point.value
        package, version = _package(point)
        yield PackageEntry(point.group, point.name, package, version, module)


def _entry_points(group: str) -> list[EntryPoint]:
    try:
        return list(entry_points(group=group))
    except Exception:  # noqa: BLE001 - one broken package must not hide the others
        return [point for point in _readable_entry_points() if point.group == group]


def _readable_entry_points() -> Iterator[EntryPoint]:
    for distribution in distributions():
        with suppress(Exception):
            yield from distribution.entry_points


def _package(point: EntryPoint) -> tuple[str, str]:
    """Return the name and version of the package that an entry point belongs to."""
    try:
        package, version = point.dist.metadata["Name"], point.dist.version  # type: ignore[union-attr]
    except Exception:  # noqa: BLE001 - as above; the class differs between versions of Python
        return UNREADABLE, "?"
    return (package, version) if package and version else (UNREADABLE, "?")
