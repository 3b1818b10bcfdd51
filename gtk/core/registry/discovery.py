"""Find plugins: entry points say that they exist, a module's own hook says what they are.

Reading entry points imports nothing. A plugin's module is imported when one of its names is first
used, so a slow or broken package cannot affect a run that does not name it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from itertools import takewhile
from operator import eq
from typing import Any, Generic, TypeVar

from gtk.core.registry.entry_points import UNREADABLE, read_entry_points
from gtk.core.registry.options import check_config
from gtk.core.registry.plugin_module import ask, register
from gtk.core.registry.spec import (
    API_VERSION,
    OLDEST_API_VERSION,
    CallbackSpec,
    ConditionerSpec,
    DatasetSpec,
    LossSpec,
    ModelSpec,
    Spec,
)
from gtk.core.registry.train_config import TrainConfig
from gtk.core.registry.train_request import RESERVED_NAMES
from gtk.core.registry.unknown_plugin import unknown_plugin
from gtk.core.values.errors import GtkError, PluginError

#: The name of gtk's own package in entry points.
OWN_PACKAGE = "generative-toolkit"

SpecType = TypeVar("SpecType", bound=Spec)


@dataclass(frozen=True)
class Kind(Generic[SpecType]):
    """A kind of plugin: its names, and the class of its specs."""

    name: str
    plural: str
    spec: type[SpecType]

    @property
    def group(self) -> str:
        """The entry point group."""
        return f"gtk.{self.plural}"

    @property
    def hook(self) -> str:
        """The name of the hook that a plugin's module implements."""
        return f"gtk_{self.plural}"


MODEL = Kind("model", "models", ModelSpec)
CONDITIONER = Kind("conditioner", "conditioners", ConditionerSpec)
LOSS = Kind("loss", "losses", LossSpec)
DATASET = Kind("dataset", "datasets", DatasetSpec)
CALLBACK = Kind("callback", "callbacks", CallbackSpec)
KINDS: tuple[Kind[Any], ...] = (MODEL, CONDITIONER, LOSS, DATASET, CALLBACK)


@dataclass(frozen=True, order=True)
class Installed:
    """An entry point: what is known about a plugin without importing it."""

    kind: str
    name: str
    package: str
    version: str
    module: str

    def __str__(self) -> str:
        """The package, as in messages."""
        return f"{self.package} {self.version}"

    @property
    def title(self) -> str:
        """The plugin, as in messages."""
        return f"{self.kind.replace('dataset', 'data set')} '{self.name}'"

    def goes_by(self, name: str) -> bool:
        """Return whether "name" or "package/name" means this plugin."""
        package, _, bare = name.rpartition("/") if name.strip("/") == name else ("", "", name)
        return self.name == bare and (
            not package or _canonical(self.package) == _canonical(package)
        )


@dataclass(frozen=True)
class Plugin(Generic[SpecType]):
    """A loaded plugin: its spec and where it comes from."""

    spec: SpecType
    installed: Installed

    def __str__(self) -> str:
        """Name the plugin and its package as error messages do."""
        return f"{self.installed.title} of {self.installed}"

    def resolve(self) -> Callable[..., Any]:
        """Return the spec's target, as `Spec.resolve` does; its errors name the package."""
        try:
            return self.spec.resolve()
        except PluginError as error:
            raise _blamed(self.installed, error) from error

    def call(self, *arguments: Any) -> Any:  # noqa: ANN401 - each target takes and returns its own
        """Call the target.

        Raises:
            GtkError: as the target says.
            PluginError: the target cannot be imported, or fails with any other error.
        """
        try:
            return self.resolve()(*arguments)
        except GtkError:
            raise
        except Exception as error:
            raise PluginError(f"{self} failed with {type(error).__name__}: {error}.") from error


@cache
def all_installed() -> tuple[Installed, ...]:
    """List the plugins of all kinds, by kind and name; import none of them."""
    kinds = {kind.group: kind.name for kind in KINDS}
    found = {
        Installed(kinds[entry.group], entry.name, entry.package, entry.version, entry.module)
        for entry in read_entry_points(kinds)
    }
    return tuple(sorted(found))


def installed(kind: Kind[Any]) -> tuple[Installed, ...]:
    """List the plugins of a kind, by name; import none of them."""
    return tuple(item for item in all_installed() if item.kind == kind.name)


def find(kind: Kind[SpecType], name: str) -> Plugin[SpecType]:
    """Load the plugin that is called `name`, or "package/name".

    Raises:
        UnknownName: nothing installed has that name.
        PluginError: several packages claim it, or the one that does is broken or incompatible.
    """
    candidates = [item for item in installed(kind) if item.goes_by(name)]
    # Prefer usable packages; keep the others only for the error message.
    candidates = [item for item in candidates if item.package != UNREADABLE] or candidates
    if not candidates:
        known = {item.name for item in installed(kind)}
        raise unknown_plugin(kind.name, name, known, [kind.group])
    chosen, bare = candidates[0], candidates[0].name
    owners = sorted({item.package for item in candidates})
    if len(owners) > 1:
        choices = " or ".join(f"{owner}/{bare}" for owner in owners)
        raise PluginError(
            f"{chosen.title} is claimed by {' and '.join(map(str, candidates))}. Use {choices}."
        )
    if chosen.package == UNREADABLE:
        raise PluginError(
            f"{chosen.title} belongs to a package whose metadata cannot be read: reinstall or "
            f"remove the package with the module {chosen.module}."
        )
    try:
        return Plugin(_load(kind, chosen), chosen)
    except PluginError as error:
        raise _blamed(chosen, error) from error


def find_default(kind: Kind[SpecType], name: str, package: str = OWN_PACKAGE) -> Plugin[SpecType]:
    """Load the plugin that a package, not the user, names: its own, else gtk's, else any.

    So a package that claims a name again does not affect users who never asked for it. Raises as
    `find` does.
    """
    for qualified in (f"{package}/{name}", f"{OWN_PACKAGE}/{name}"):
        if any(item.goes_by(qualified) for item in installed(kind)):
            return find(kind, qualified)
    return find(kind, name)


def owner(module: str) -> Installed | None:
    """Return the plugin whose package a module is in, None if that is gtk or not a plugin's.

    Args:
        module: its full name. Of packages in one namespace, the one with the longest common prefix
            owns it.
    """
    names, best, longest = module.split("."), None, 0
    for item in all_installed():
        common = sum(takewhile(bool, map(eq, names, item.module.split("."))))
        if common > longest:
            best, longest = item, common
    return None if best is None or _canonical(best.package) == OWN_PACKAGE else best


def describe(thing: object) -> str:
    """Return an object's name for messages: its class, and the plugin's package it is from."""
    package = owner(type(thing).__module__)
    return f"{type(thing).__name__}{'' if package is None else f' of {package}'}"


def _blamed(item: Installed, error: PluginError) -> PluginError:
    return PluginError(f"{item.title} of {item}: {error}")


def _canonical(package: str) -> str:
    """Return the name by which package indices compare packages."""
    return re.sub(r"[-_.]+", "-", package).lower()


def _load(kind: Kind[SpecType], chosen: Installed) -> SpecType:
    specs = ask(register(chosen.module), kind.hook, kind.spec)
    for spec in specs:
        if isinstance(spec, kind.spec) and spec.name == chosen.name:
            _check(spec)
            return spec
    wrong = [type(spec).__name__ for spec in specs if not isinstance(spec, kind.spec)]
    if wrong:
        raise PluginError(f"{kind.hook}() must return {kind.spec.__name__}, not {wrong[0]}.")
    names = ", ".join(spec.name for spec in specs) or "nothing"
    raise PluginError(
        f"its entry point is called {chosen.name!r}, its {kind.hook}() returns {names}. "
        "Give both the same name."
    )


def _check(spec: Spec) -> None:
    if not OLDEST_API_VERSION <= spec.api <= API_VERSION:
        raise PluginError(
            f"it was written for version {spec.api} of gtk's contracts, this is {API_VERSION}. "
            f"Update {'gtk' if spec.api > API_VERSION else 'the plugin'}."
        )
    check_config(spec.config)
    settings = {item.name for item in fields(TrainConfig)}
    for name in getattr(spec, "defaults", {}):
        if name not in settings:
            raise PluginError(f"its defaults name {name!r}, which is not a setting of the trainer.")
    for item in fields(spec.config):
        if item.name in RESERVED_NAMES:
            raise PluginError(
                f"its option {item.name!r} has the name of one of gtk's own. Rename it."
            )
