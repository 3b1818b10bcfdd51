"""The hooks that a plugin's module implements, and the markers for them and for events."""

from collections.abc import Iterable

import pluggy

from gtk.core.spec import CallbackSpec, ConditionerSpec, DatasetSpec, LossSpec, ModelSpec

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
