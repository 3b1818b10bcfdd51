"""Find plugins: entry points say that they exist, a module's own hook says what they are.

Reading entry points imports nothing. A plugin's module is imported when one of its names is first
used, so a slow or broken package cannot touch a run that does not name it.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import cache
from types import ModuleType
from typing import Any, Generic, TypeVar, cast

import pluggy

from gtk.core.registry.entry_points import UNREADABLE, read_entry_points
from gtk.core.registry.hooks import PluginHooks, misfit
from gtk.core.registry.importing import import_plugin
from gtk.core.registry.options import check_config
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
from gtk.core.values.errors import PluginError

#: The package that gtk itself is, as entry points name it.
OWN_PACKAGE = "generative-toolkit"

SpecType = TypeVar("SpecType", bound=Spec)


@dataclass(frozen=True)
class Kind(Generic[SpecType]):
    """A kind of plugin: its name, the spec class that describes it, and how it is found."""

    name: str
    plural: str
    spec: type[SpecType]

    @property
    def group(self) -> str:
        """The entry point group."""
        return f"gtk.{self.plural}"

    @property
    def hook(self) -> str:
        """The function that a plugin's module implements."""
        return f"gtk_{self.plural}"


MODEL = Kind("model", "models", ModelSpec)
CONDITIONER = Kind("conditioner", "conditioners", ConditionerSpec)
LOSS = Kind("loss", "losses", LossSpec)
DATASET = Kind("dataset", "datasets", DatasetSpec)
CALLBACK = Kind("callback", "callbacks", CallbackSpec)
KINDS: tuple[Kind[Any], ...] = (MODEL, CONDITIONER, LOSS, DATASET, CALLBACK)


@dataclass(frozen=True, order=True)
class Installed:
    """An entry point: what can be known of a plugin without importing it."""

    kind: str
    name: str
    package: str
    version: str
    module: str

    def __str__(self) -> str:
        """Name the package as error messages do."""
        return f"{self.package} {self.version}"

    @property
    def title(self) -> str:
        """What messages call the plugin itself."""
        return f"{self.kind} '{self.name}'"

    def goes_by(self, name: str) -> bool:
        """Say whether "name" or "package/name" means this plugin."""
        package, _, bare = name.rpartition("/") if name.strip("/") == name else ("", "", name)
        return self.name == bare and (not package or _same_package(self.package, package))


@dataclass(frozen=True)
class Plugin(Generic[SpecType]):
    """A loaded plugin: its spec and where it comes from."""

    spec: SpecType
    installed: Installed

    def resolve(self) -> Callable[..., Any]:
        """Return what does the work, as `Spec.resolve` does.

        Raises:
            PluginError: it cannot be imported; the message names the package.
        """
        try:
            return self.spec.resolve()
        except PluginError as error:
            raise _blamed(self.installed, error) from error


@cache
def installed(kind: Kind[Any]) -> tuple[Installed, ...]:
    """List the plugins of a kind, by name; imports none of them."""
    found = {
        Installed(kind.name, entry.name, entry.package, entry.version, entry.module)
        for entry in read_entry_points(kind.group)
    }
    return tuple(sorted(found))


def find(kind: Kind[SpecType], name: str) -> Plugin[SpecType]:
    """Load the plugin that goes by `name`, or by "package/name".

    Raises:
        UnknownName: nothing installed has that name.
        PluginError: several packages claim it, or the one that does is broken or incompatible.
    """
    candidates = [item for item in installed(kind) if item.goes_by(name)]
    # What cannot be used in any case is in nobody's way.
    candidates = [item for item in candidates if item.package != UNREADABLE] or candidates
    if not candidates:
        known = {item.name for item in installed(kind)}
        raise unknown_plugin(kind.name, name, known, [kind.group])
    bare = candidates[0].name
    owners = sorted({item.package for item in candidates})
    if len(owners) > 1:
        choices = " or ".join(f"{owner}/{bare}" for owner in owners)
        raise PluginError(
            f"{kind.name} '{bare}' is claimed by {' and '.join(map(str, candidates))}. "
            f"Say which: {choices}."
        )
    chosen = candidates[0]
    if chosen.package == UNREADABLE:
        raise PluginError(
            f"{kind.name} '{bare}' is brought by a package whose metadata cannot be read: "
            f"reinstall or remove what brings the module {chosen.module}."
        )
    try:
        return Plugin(_load(kind, chosen), chosen)
    except PluginError as error:
        raise _blamed(chosen, error) from error


def find_default(kind: Kind[SpecType], name: str, package: str = OWN_PACKAGE) -> Plugin[SpecType]:
    """Load what a package, and not the user, means by a name: its own, else gtk's, else any.

    So packages that bring a name again do not get in the way of those who never asked for them.

    Raises:
        UnknownName: nothing installed has that name.
        PluginError: several packages claim it, or the one that does is broken or incompatible.
    """
    for qualified in (f"{package}/{name}", f"{OWN_PACKAGE}/{name}"):
        if any(item.goes_by(qualified) for item in installed(kind)):
            return find(kind, qualified)
    return find(kind, name)


def owner(module: str) -> Installed | None:
    """Return the plugin whose package a module is in, None if that is gtk itself or no plugin's.

    Args:
        module: its full name. Where packages share their first names, as in a namespace, the one
            with most names in common has it.
    """
    names, best, shared = module.split("."), None, 0
    for item in (item for kind in KINDS for item in installed(kind)):
        same = [a == b for a, b in zip(names, item.module.split("."), strict=False)]
        common = [*same, False].index(False)
        if common > shared:
            best, shared = item, common
    return None if best is None or _same_package(best.package, OWN_PACKAGE) else best


def describe(thing: object) -> str:
    """Return what messages call an object: its class, and the plugin's package it comes from."""
    package = owner(type(thing).__module__)
    return f"{type(thing).__name__}{'' if package is None else f' of {package}'}"


def _blamed(item: Installed, error: PluginError) -> PluginError:
    return PluginError(f"{item.title} of {item}: {error}")


def _same_package(first: str, second: str) -> bool:
    """Compare two names of packages as package indices do."""
    return re.sub(r"[-_.]+", "-", first).lower() == re.sub(r"[-_.]+", "-", second).lower()


@cache
def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("gtk")
    manager.add_hookspecs(PluginHooks)
    return manager


def _load(kind: Kind[SpecType], chosen: Installed) -> SpecType:
    module = _register(chosen.module)
    specs = list(_specs(kind, module))
    for spec in specs:
        if isinstance(spec, kind.spec) and spec.name == chosen.name:
            _check(spec)
            return spec
    wrong = [type(spec).__name__ for spec in specs if not isinstance(spec, kind.spec)]
    if wrong:
        raise PluginError(f"{kind.hook}() must return {kind.spec.__name__}, not {wrong[0]}.")
    names = ", ".join(spec.name for spec in specs) or "nothing"
    raise PluginError(
        f"its entry point promises '{chosen.name}', its {kind.hook}() brings {names}. "
        "Make the two agree."
    )


def _register(module_name: str) -> ModuleType:
    """Import a plugin's module and register it with pluggy, once, under its own name.

    Raises:
        PluginError: the import fails, or a hook is misspelt or takes what it is not given.
    """
    manager = _manager()
    if manager.has_plugin(module_name):
        return cast("ModuleType", manager.get_plugin(module_name))
    module = import_plugin(module_name)
    try:
        manager.register(module, module_name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        if manager.has_plugin(module_name):
            manager.unregister(name=module_name)
        reason = misfit(error, PluginHooks)
        raise PluginError(f"{reason} Hooks are listed in docs/hooks.md.") from error
    return module


def _specs(kind: Kind[SpecType], module: ModuleType) -> Iterable[Any]:
    """Ask the module's own implementation; `manager.hook` would ask every other plugin, too."""
    caller = getattr(_manager().hook, kind.hook)
    for implementation in caller.get_hookimpls():
        if implementation.plugin is module:
            try:
                found = implementation.function()
                specs = list(found) if isinstance(found, Iterable) else None
            except (KeyboardInterrupt, GeneratorExit):
                raise
            except BaseException as error:  # as where plugins are imported
                raise PluginError(
                    f"{kind.hook}() failed with {type(error).__name__}: {error}."
                ) from error
            if specs is None:
                raise PluginError(
                    f"{kind.hook}() must return a list of gtk.{kind.spec.__name__}, not "
                    f"{type(found).__name__}."
                )
            return specs
    raise PluginError(f"{module.__name__} has no {kind.hook}() marked with @gtk.hookimpl.")


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
            raise PluginError(f"its defaults name '{name}', which is no setting of the trainer.")
    for item in fields(spec.config):
        if item.name in RESERVED_NAMES:
            raise PluginError(
                f"its option '{item.name}' has the name of one of gtk's own. Rename it."
            )
