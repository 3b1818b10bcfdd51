"""The hooks that a plugin's module implements, and the markers for them and for events."""

import inspect
import re
from collections.abc import Iterable

import pluggy

from gtk.core.registry.spec import CallbackSpec, ConditionerSpec, DatasetSpec, LossSpec, ModelSpec
from gtk.core.values.errors import did_you_mean

hookspec = pluggy.HookspecMarker("gtk")
hookimpl = pluggy.HookimplMarker("gtk")


class PluginHooks:
    """Asked of a plugin's module, once, when one of its names is first used."""

    @hookspec
    def gtk_models(self) -> Iterable[ModelSpec]:  # type: ignore[empty-body]
        """Return the models that this module brings."""

    @hookspec
    def gtk_conditioners(self) -> Iterable[ConditionerSpec]:  # type: ignore[empty-body]
        """Return the conditioning strategies that this module brings."""

    @hookspec
    def gtk_losses(self) -> Iterable[LossSpec]:  # type: ignore[empty-body]
        """Return the losses that this module brings."""

    @hookspec
    def gtk_datasets(self) -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
        """Return the data sets that this module brings."""

    @hookspec
    def gtk_callbacks(self) -> Iterable[CallbackSpec]:  # type: ignore[empty-body]
        """Return the callbacks that this module brings."""


def misfit(error: pluggy.PluginValidationError, hooks: type) -> str:
    """Say in one sentence why pluggy refused an implementation, with the nearest name there is.

    Args:
        error: what pluggy raised.
        hooks: the class that specifies the hooks.
    """
    lines = str(error).splitlines()
    # The first of several lines, and what follows " in plugin ", name the plugin by its address.
    reason = " ".join(lines[1:] or lines).partition(" in plugin ")[0]
    unknown = re.search(r"unknown hook '(\w+)'", reason)
    if unknown:
        return f"{reason}.{did_you_mean(unknown[1], vars(hooks))}"
    greedy = re.search(r"definition: (\w+)\(.*Argument\(s\) {(.*)} are declared", reason)
    return f"{reason}." if greedy is None else _too_many(hooks, greedy[1], greedy[2])


def _too_many(hooks: type, hook: str, quoted: str) -> str:
    """Say which arguments a hook has, and has not."""
    known = [name for name in inspect.signature(getattr(hooks, hook)).parameters if name != "self"]
    wrong = ", ".join(sorted(quoted.split(", ")))
    may = f"it may take {', '.join(known)}" if known else "it takes none"
    return f"{hook}() has no argument {wrong}; {may}."
