"""gtk: a plugin-based toolkit for generative image models.

The public names are imported when they are first used: `import gtk` does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gtk.core.data import (
        ConditionSpec as ConditionSpec,
        Dataset as Dataset,
        DataSpec as DataSpec,
        Split as Split,
    )
    from gtk.core.errors import (
        GtkError as GtkError,
        InvalidValue as InvalidValue,
        UserError as UserError,
        WorkFailed as WorkFailed,
    )
    from gtk.core.noise import NoiseSpec as NoiseSpec
    from gtk.core.spec import (
        CallbackSpec as CallbackSpec,
        ConditionerSpec as ConditionerSpec,
        DatasetSpec as DatasetSpec,
        LossSpec as LossSpec,
        ModelSpec as ModelSpec,
        NoConfig as NoConfig,
    )
    from gtk.core.store import Batch as Batch

#: Where each public name lives: "module" or "module:name there".
_HOMES = {
    "Batch": "gtk.core.store",
    "CallbackSpec": "gtk.core.spec",
    "ConditionSpec": "gtk.core.data",
    "ConditionerSpec": "gtk.core.spec",
    "DataSpec": "gtk.core.data",
    "Dataset": "gtk.core.data",
    "DatasetSpec": "gtk.core.spec",
    "GtkError": "gtk.core.errors",
    "InvalidValue": "gtk.core.errors",
    "LossSpec": "gtk.core.spec",
    "ModelSpec": "gtk.core.spec",
    "NoConfig": "gtk.core.spec",
    "NoiseSpec": "gtk.core.noise",
    "Split": "gtk.core.data",
    "UserError": "gtk.core.errors",
    "WorkFailed": "gtk.core.errors",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - built from the one list of names


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the public name is
    if name not in _HOMES:
        raise AttributeError(f"module 'gtk' has no attribute '{name}'")
    module, _, attribute = _HOMES[name].partition(":")
    value = getattr(import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
