"""A check: its specimen, its outcome and the checks that it builds on."""

import shutil
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, wraps
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Protocol, TypeVar

from gtk.core.registry.discovery import Plugin, find
from gtk.core.registry.installed import Kind
from gtk.core.values.text import visible


class CheckFailed(AssertionError):
    """A plugin breaks a contract; the message names cause and remedy."""


class CheckSkipped(Exception):
    """A check does not apply to this plugin; the message says why."""


class CheckBlocked(CheckSkipped):
    """A check builds on another one that failed, which the message names."""


Value = TypeVar("Value")


@dataclass(frozen=True)
class Specimen:
    """A plugin under test, with the objects and outcomes that its checks share.

    Attributes:
        kind: of the plugin.
        name: of the plugin, or "package/name".
        data: the data set it is tested with.
        options: values of the plugin's options where its defaults do not fit small images.
        outcomes: what each check raised, None where it passed.
    """

    kind: Kind[Any]
    name: str
    data: str = "digits"
    options: Mapping[str, Any] = field(default_factory=dict)
    outcomes: "dict[Check, BaseException | None]" = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _made: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def plugin(self) -> Plugin[Any]:
        """The plugin, loaded as a training would load it.

        Raises:
            GtkError: the plugin cannot be loaded.
        """
        return find(self.kind, self.name)

    @cached_property
    def folder(self) -> Path:
        """A folder for what checks write; it is removed with the specimen."""
        folder = Path(mkdtemp(prefix="gtk-testing-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def once(self, what: str, make: Callable[[], Value]) -> Value:
        """Return the object of this name; the first call makes it.

        Expensive objects, such as a trained model, are made by the first check that needs them.
        """
        if what not in self._made:
            self._made[what] = make()
        made: Value = self._made[what]
        return made


#: Tests one promise of a contract. It raises `CheckFailed` where a plugin breaks it and
#: `CheckSkipped` where it does not apply; any other exception is a failure of the plugin, too.
Check = Callable[[Specimen], None]


class Case(Protocol):
    """What a plugin is checked with, where a check is made with several such cases."""

    @property
    def title(self) -> str:
        """What it is, for messages: "with model 'vae'"."""


CaseType = TypeVar("CaseType", bound=Case)

_NEEDED: dict[Check, tuple[Check, ...]] = {}


def needs(*checks: Check) -> Callable[[Check], Check]:
    """Decorate a check that builds on others: it is skipped where one of them fails."""

    def mark(check: Check) -> Check:
        _NEEDED[check] = checks
        return check

    return mark


def for_each(
    cases: Callable[[Specimen], Iterable[CaseType]],
) -> Callable[[Callable[[Specimen, CaseType], None]], Check]:
    """Decorate a check of one case, which becomes a check of all: its failure names the case."""

    def decorate(check: Callable[[Specimen, CaseType], None]) -> Check:
        @wraps(check)
        def all_of_them(specimen: Specimen) -> None:
            for case in cases(specimen):
                try:
                    check(specimen, case)
                except CheckFailed as error:
                    raise CheckFailed(f"{case.title}, {error}") from error

        return all_of_them

    return decorate


def checks_in(module: Mapping[str, Any]) -> tuple[Check, ...]:
    """Return the checks that a module defines, in order; `module` is its globals."""
    return tuple(
        item
        for name, item in module.items()
        if name.startswith("check_") and item.__module__ == module["__name__"]
    )


def outcome(check: Check, specimen: Specimen) -> BaseException | None:
    """Run a check once, after those that it needs, and return what it raised."""
    if check not in specimen.outcomes:
        specimen.outcomes[check] = _run(check, specimen)
    return specimen.outcomes[check]


def check_name(check: Check) -> str:
    """Return the name of a check: that of its function without `check_`."""
    return check.__name__.removeprefix("check_")


def refuse_changes(what: str, changes: Sequence[str], remedy: str) -> None:
    """Raise `CheckFailed` if something changes pieces of the process's global state."""
    if changes:
        raise CheckFailed(f"{what} changes {', '.join(changes)} for the whole process: {remedy}")


@contextmanager
def unchanged_process_state(what: str, remedy: str) -> Iterator[None]:
    """Raise `CheckFailed` at the end of a with block that changes the global state."""
    from gtk.testing.process_state import Snapshot  # which imports torch

    snapshot = Snapshot()
    yield
    refuse_changes(what, snapshot.changes(), remedy)


def error_line(error: BaseException) -> str:
    """Return type and message of an error in one printable line, without a full stop."""
    return visible(f"{type(error).__name__}: {' '.join(str(error).split())}").rstrip(".")


def _run(check: Check, specimen: Specimen) -> BaseException | None:
    for needed in _NEEDED.get(check, ()):
        found = outcome(needed, specimen)
        if isinstance(found, CheckBlocked):
            return found
        if found is not None and not isinstance(found, CheckSkipped):
            return CheckBlocked(f"it builds on '{check_name(needed)}', which failed")
    from gtk.testing.process_state import restored_process_state  # which imports torch

    with restored_process_state():
        try:
            check(specimen)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            return error
    return None
