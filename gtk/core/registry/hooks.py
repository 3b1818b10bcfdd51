"""The hooks that a plugin's module implements, and the markers for them and for events."""

import inspect
import re
from collections.abc import Iterable

import pluggy

from gtk.core.registry.spec import (
    CallbackSpec,
    ConditionerSpec,
    DatasetSpec,
    LossSpec,
    MetricSpec,
    ModelSpec,
    SamplerSpec,
)
from gtk.core.values.errors import did_you_mean

hookspec = pluggy.HookspecMarker("gtk")
hookimpl = pluggy.HookimplMarker("gtk")


class PluginHooks:
    """Hooks that a plugin's module implements; called once, when one of its names is first used."""

    @hookspec
    def gtk_models(self) -> Iterable[ModelSpec]:  # type: ignore[empty-body]
        """Return the models of this module."""

    @hookspec
    def gtk_conditioners(self) -> Iterable[ConditionerSpec]:  # type: ignore[empty-body]
        """Return the conditioning strategies of this module."""

    @hookspec
    def gtk_losses(self) -> Iterable[LossSpec]:  # type: ignore[empty-body]
        """Return the losses of this module."""

    @hookspec
    def gtk_samplers(self) -> Iterable[SamplerSpec]:  # type: ignore[empty-body]
        """Return the samplers of this module."""

    @hookspec
    def gtk_metrics(self) -> Iterable[MetricSpec]:  # type: ignore[empty-body]
        """Return the metrics of this module."""

    @hookspec
    def gtk_datasets(self) -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
        """Return the data sets of this module."""

    @hookspec
    def gtk_callbacks(self) -> Iterable[CallbackSpec]:  # type: ignore[empty-body]
        """Return the callbacks of this module."""


def misfit(error: pluggy.PluginValidationError, hooks: type) -> str:
    """Return one sentence on why pluggy refused an implementation, with the nearest known name.

    Args:
        error: what pluggy raised.
        hooks: the class that specifies the hooks.
    """
    lines = str(error).splitlines()
    # The first of several lines, and what follows " in plugin ", show the plugin's memory address.
    reason = " ".join(lines[1:] or lines).partition(" in plugin ")[0]
    unknown = re.search(r"unknown hook '(\w+)'", reason)
    if unknown:
        return f"{reason}.{did_you_mean(unknown[1], vars(hooks))}"
    extra = re.search(r"definition: (\w+)\(.*Argument\(s\) {(.*)} are declared", reason)
    if extra is None:
        return f"{reason}."
    hook, wrong = extra[1], ", ".join(sorted(extra[2].split(", ")))
    known = [name for name in inspect.signature(getattr(hooks, hook)).parameters if name != "self"]
    may = f"it may take {', '.join(known)}" if known else "it takes none"
    return f"{hook}() has no argument {wrong}; {may}."
