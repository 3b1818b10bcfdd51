"""A plugin's module: imported, registered with pluggy, and asked for its specs."""

from collections.abc import Iterable
from functools import cache
from types import ModuleType
from typing import Any, cast

import pluggy

from gtk.core.registry.hooks import PluginHooks, misfit
from gtk.core.registry.importing import import_plugin
from gtk.core.registry.spec import Spec
from gtk.core.values.errors import PluginError


@cache
def manager() -> pluggy.PluginManager:
    """Return the manager that every plugin's module is registered with."""
    made = pluggy.PluginManager("gtk")
    made.add_hookspecs(PluginHooks)
    return made


def register(module_name: str) -> ModuleType:
    """Import a plugin's module and register it with pluggy, once, under its own name.

    Raises:
        PluginError: the import fails, or a hook is misspelt or has an unknown argument.
    """
    plugins = manager()
    if plugins.has_plugin(module_name):
        return cast("ModuleType", plugins.get_plugin(module_name))
    module = import_plugin(module_name)
    try:
        plugins.register(module, module_name)
        plugins.check_pending()
    except pluggy.PluginValidationError as error:
        if plugins.has_plugin(module_name):
            plugins.unregister(name=module_name)
        reason = misfit(error, PluginHooks)
        raise PluginError(f"{reason} Hooks are listed in docs/hooks.md.") from error
    return module


def ask(module: ModuleType, hook: str, spec: type[Spec]) -> list[Any]:
    """Return what a module's own implementation of a hook returns.

    Raises:
        PluginError: the module has no implementation, it fails, or it does not return a list.
    """
    # Not manager().hook.NAME(), which would call the implementations of every other plugin, too.
    implementations = getattr(manager().hook, hook).get_hookimpls()
    own = [item.function for item in implementations if item.plugin is module]
    if not own:
        raise PluginError(f"{module.__name__} has no {hook}() marked with @gtk.hookimpl.")
    try:
        found = own[0]()
        specs = list(found) if isinstance(found, Iterable) else None
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # as in import_plugin
        raise PluginError(f"{hook}() failed with {type(error).__name__}: {error}.") from error
    if specs is None:
        raise PluginError(
            f"{hook}() must return a list of gtk.{spec.__name__}, not {type(found).__name__}."
        )
    return specs
