"""gtk: a plugin-based toolkit for generative image models.

The public names are imported when they are first used: `import gtk` does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gtk.core.contracts.batch import Batch as Batch
    from gtk.core.contracts.conditioner import (
        Conditioner as Conditioner,
        ConditioningLayer as ConditioningLayer,
        PassThrough as PassThrough,
        PlainNormalization as PlainNormalization,
        ScoreLayer as ScoreLayer,
        Site as Site,
    )
    from gtk.core.contracts.loss import Context as Context, Loss as Loss, Update as Update
    from gtk.core.contracts.model import (
        ExportPart as ExportPart,
        Model as Model,
        ReconstructingModel as ReconstructingModel,
    )
    from gtk.core.contracts.noise import Noise as Noise
    from gtk.core.contracts.normalization import Normalization as Normalization
    from gtk.core.registry.hooks import hookimpl as hookimpl
    from gtk.core.registry.spec import (
        CallbackSpec as CallbackSpec,
        ConditionerSpec as ConditionerSpec,
        DatasetSpec as DatasetSpec,
        LossSpec as LossSpec,
        ModelSpec as ModelSpec,
        NoConfig as NoConfig,
    )
    from gtk.core.storage.run import Run as Run
    from gtk.core.storage.runs import find_run as load  # noqa: F401 - public under another name
    from gtk.core.training.progress import Progress as Progress
    from gtk.core.values.codes import Codes as Codes
    from gtk.core.values.condition import (
        Attributes as Attributes,
        Classes as Classes,
        ConditionSpec as ConditionSpec,
        Numbers as Numbers,
    )
    from gtk.core.values.dataset import (
        Dataset as Dataset,
        DataSpec as DataSpec,
        Split as Split,
    )
    from gtk.core.values.errors import (
        GtkError as GtkError,
        InvalidValue as InvalidValue,
        UserError as UserError,
        WorkFailed as WorkFailed,
    )
    from gtk.core.values.image import Image as Image
    from gtk.core.values.noise import NoiseSpec as NoiseSpec
    from gtk.core.values.tracking import track as track
    from gtk.core.values.value import Array as Array, Value as Value
    from gtk.exports.onnx import export as export, export_all as export_all
    from gtk.plugins.families.adversarial import AdversarialModel as AdversarialModel
    from gtk.plugins.families.gaussian import (
        DiagonalGaussian as DiagonalGaussian,
        StandardGaussian as StandardGaussian,
    )
    from gtk.plugins.families.latent_variable import LatentVariableModel as LatentVariableModel
    from gtk.train_door import train as train

#: Where each public name lives: "module" or "module:name there".
_HOMES = {
    "AdversarialModel": "gtk.plugins.families.adversarial",
    "Array": "gtk.core.values.value",
    "Attributes": "gtk.core.values.condition",
    "Batch": "gtk.core.contracts.batch",
    "CallbackSpec": "gtk.core.registry.spec",
    "Classes": "gtk.core.values.condition",
    "Codes": "gtk.core.values.codes",
    "ConditionSpec": "gtk.core.values.condition",
    "Conditioner": "gtk.core.contracts.conditioner",
    "ConditionerSpec": "gtk.core.registry.spec",
    "ConditioningLayer": "gtk.core.contracts.conditioner",
    "Context": "gtk.core.contracts.loss",
    "DataSpec": "gtk.core.values.dataset",
    "Dataset": "gtk.core.values.dataset",
    "DatasetSpec": "gtk.core.registry.spec",
    "DiagonalGaussian": "gtk.plugins.families.gaussian",
    "ExportPart": "gtk.core.contracts.model",
    "GtkError": "gtk.core.values.errors",
    "Image": "gtk.core.values.image",
    "InvalidValue": "gtk.core.values.errors",
    "LatentVariableModel": "gtk.plugins.families.latent_variable",
    "Loss": "gtk.core.contracts.loss",
    "LossSpec": "gtk.core.registry.spec",
    "Model": "gtk.core.contracts.model",
    "ModelSpec": "gtk.core.registry.spec",
    "NoConfig": "gtk.core.registry.spec",
    "Noise": "gtk.core.contracts.noise",
    "NoiseSpec": "gtk.core.values.noise",
    "Normalization": "gtk.core.contracts.normalization",
    "Numbers": "gtk.core.values.condition",
    "PassThrough": "gtk.core.contracts.conditioner",
    "PlainNormalization": "gtk.core.contracts.conditioner",
    "Progress": "gtk.core.training.progress",
    "ReconstructingModel": "gtk.core.contracts.model",
    "Run": "gtk.core.storage.run",
    "ScoreLayer": "gtk.core.contracts.conditioner",
    "Site": "gtk.core.contracts.conditioner",
    "Split": "gtk.core.values.dataset",
    "StandardGaussian": "gtk.plugins.families.gaussian",
    "Update": "gtk.core.contracts.loss",
    "UserError": "gtk.core.values.errors",
    "Value": "gtk.core.values.value",
    "WorkFailed": "gtk.core.values.errors",
    "export": "gtk.exports.onnx",
    "export_all": "gtk.exports.onnx",
    "hookimpl": "gtk.core.registry.hooks",
    "load": "gtk.core.storage.runs:find_run",
    "track": "gtk.core.values.tracking",
    "train": "gtk.train_door",
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
