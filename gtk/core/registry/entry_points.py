"""Read what installed packages say of themselves, also where some of them say it wrongly."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distributions, entry_points

#: Stands for the name of a package that does not say it, or no version.
UNREADABLE = "(unreadable metadata)"


@dataclass(frozen=True)
class PackageEntry:
    """An entry point.

    Attributes:
        group: it is in, such as "gtk.models".
        name: its own.
        package: whose it is, or `UNREADABLE`.
        version: of the package, "?" where that is unreadable.
        module: what it names.
    """

    group: str
    name: str
    package: str
    version: str
    module: str


def read_entry_points(group: str | None = None) -> Iterator[PackageEntry]:
    """Yield the entry points, of a group or all, of each package that can be read; imports none."""
    for point in _readable_entry_points() if group is None else _entry_points(group):
        try:
            module = point.module
        except AttributeError:  # its value is not of the form module:name
            module = point.value
        package, version = _package(point)
        yield PackageEntry(point.group, point.name, package, version, module)


def _entry_points(group: str) -> list[EntryPoint]:
    try:
        return list(entry_points(group=group))
    except Exception:  # noqa: BLE001 - of all the packages here one is not as it should be, somehow
        return [point for point in _readable_entry_points() if point.group == group]


def _readable_entry_points() -> Iterator[EntryPoint]:
    for distribution in distributions():
        with suppress(Exception):
            yield from distribution.entry_points


def _package(point: EntryPoint) -> tuple[str, str]:
    """Return the name and version of the package that an entry point belongs to."""
    try:
        package, version = point.dist.metadata["Name"], point.dist.version  # type: ignore[union-attr]
    except Exception:  # noqa: BLE001 - as above; which it is differs between versions of Python
        return UNREADABLE, "?"
    return (package, version) if package and version else (UNREADABLE, "?")
