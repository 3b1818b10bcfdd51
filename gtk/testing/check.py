"""A check: what it looks at, and how it says what is wrong."""

import shutil
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar

from gtk.core.registry.discovery import Kind, Plugin, find


class CheckFailed(AssertionError):
    """A plugin does not keep a promise; the message names cause and remedy."""


class CheckSkipped(Exception):
    """A check has nothing to look at in this plugin; the message says why."""


class CheckBlocked(CheckSkipped):
    """A check builds on another, which has failed; the message says on which."""


Value = TypeVar("Value")


@dataclass(frozen=True)
class Specimen:
    """A plugin under test, and what checks have made and found of it.

    Attributes:
        kind: what it is.
        name: its name, or "package/name".
        data: the data set it is tried with, which comes with gtk.
        options: values of its own options, where its defaults are not for so small images.
        outcomes: what each check that was run has raised, None if nothing.
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
            GtkError: it cannot be.
        """
        return find(self.kind, self.name)

    @cached_property
    def folder(self) -> Path:
        """A folder for what checks write; it is removed with the specimen."""
        folder = Path(mkdtemp(prefix="gtk-testing-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def once(self, what: str, make: Callable[[], Value]) -> Value:
        """Return what `make` made when it was first asked for under this name.

        What takes long, a trained model for instance, is made by the first check that needs it.
        """
        if what not in self._made:
            self._made[what] = make()
        made: Value = self._made[what]
        return made


#: Looks at one promise. Raises `CheckFailed` where it is not kept, `CheckSkipped` where it was
#: not made; whatever else it raises is the plugin's failure, too.
Check = Callable[[Specimen], None]

_NEEDED: dict[Check, tuple[Check, ...]] = {}


def needs(*checks: Check) -> Callable[[Check], Check]:
    """Mark a check as of no use where one of others fails: it is skipped then, and says why."""

    def mark(check: Check) -> Check:
        _NEEDED[check] = checks
        return check

    return mark


def outcome(check: Check, specimen: Specimen) -> BaseException | None:
    """Run a check, unless it was run, after those that it needs; return what it raised."""
    if check not in specimen.outcomes:
        specimen.outcomes[check] = _run(check, specimen)
    return specimen.outcomes[check]


def check_name(check: Check) -> str:
    """Return what a check is called: its function's name without `check_`."""
    return check.__name__.removeprefix("check_")


def _run(check: Check, specimen: Specimen) -> BaseException | None:
    for needed in _NEEDED.get(check, ()):
        found = outcome(needed, specimen)
        if isinstance(found, CheckBlocked):
            return found
        if found is not None and not isinstance(found, CheckSkipped):
            return CheckBlocked(f"it builds on '{check_name(needed)}', which failed")
    from gtk.testing.process_state import restored_surroundings  # which imports torch

    with restored_surroundings():
        try:
            check(specimen)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            return error
    return None
