"""gtk: a plugin-based toolkit for generative image models.

The public names are imported when they are first used: `import gtk` does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gtk.core.codes import Codes as Codes
    from gtk.core.condition import ConditionSpec as ConditionSpec
    from gtk.core.conditioner import (
        Conditioner as Conditioner,
        ConditioningLayer as ConditioningLayer,
        PassThrough as PassThrough,
        PlainNormalization as PlainNormalization,
        ScoreLayer as ScoreLayer,
        Site as Site,
    )
    from gtk.core.data import (
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
    from gtk.core.hooks import hookimpl as hookimpl
    from gtk.core.loss import Context as Context, Loss as Loss, Update as Update
    from gtk.core.model import (
        ExportPart as ExportPart,
        Model as Model,
        ReconstructingModel as ReconstructingModel,
    )
    from gtk.core.noise import Noise as Noise, NoiseSpec as NoiseSpec
    from gtk.core.normalization import Normalization as Normalization
    from gtk.core.progress import Progress as Progress
    from gtk.core.run import Run as Run
    from gtk.core.runs import find_run as load  # noqa: F401 - public under another name
    from gtk.core.spec import (
        CallbackSpec as CallbackSpec,
        ConditionerSpec as ConditionerSpec,
        DatasetSpec as DatasetSpec,
        LossSpec as LossSpec,
        ModelSpec as ModelSpec,
        NoConfig as NoConfig,
    )
    from gtk.core.store import Batch as Batch
    from gtk.core.training import train as train
    from gtk.core.work import track as track
    from gtk.exports.onnx import export as export, export_all as export_all
    from gtk.plugins.gan.protocol import AdversarialModel as AdversarialModel
    from gtk.plugins.vae.gaussian import (
        DiagonalGaussian as DiagonalGaussian,
        StandardGaussian as StandardGaussian,
    )
    from gtk.plugins.vae.protocol import LatentVariableModel as LatentVariableModel

#: Where each public name lives: "module" or "module:name there".
_HOMES = {
    "AdversarialModel": "gtk.plugins.gan.protocol",
    "Batch": "gtk.core.store",
    "CallbackSpec": "gtk.core.spec",
    "Codes": "gtk.core.codes",
    "ConditionSpec": "gtk.core.condition",
    "Conditioner": "gtk.core.conditioner",
    "ConditionerSpec": "gtk.core.spec",
    "ConditioningLayer": "gtk.core.conditioner",
    "Context": "gtk.core.loss",
    "DataSpec": "gtk.core.data",
    "Dataset": "gtk.core.data",
    "DatasetSpec": "gtk.core.spec",
    "DiagonalGaussian": "gtk.plugins.vae.gaussian",
    "ExportPart": "gtk.core.model",
    "GtkError": "gtk.core.errors",
    "InvalidValue": "gtk.core.errors",
    "LatentVariableModel": "gtk.plugins.vae.protocol",
    "Loss": "gtk.core.loss",
    "LossSpec": "gtk.core.spec",
    "Model": "gtk.core.model",
    "ModelSpec": "gtk.core.spec",
    "NoConfig": "gtk.core.spec",
    "Noise": "gtk.core.noise",
    "NoiseSpec": "gtk.core.noise",
    "Normalization": "gtk.core.normalization",
    "PassThrough": "gtk.core.conditioner",
    "PlainNormalization": "gtk.core.conditioner",
    "Progress": "gtk.core.progress",
    "ReconstructingModel": "gtk.core.model",
    "Run": "gtk.core.run",
    "ScoreLayer": "gtk.core.conditioner",
    "Site": "gtk.core.conditioner",
    "Split": "gtk.core.data",
    "StandardGaussian": "gtk.plugins.vae.gaussian",
    "Update": "gtk.core.loss",
    "UserError": "gtk.core.errors",
    "WorkFailed": "gtk.core.errors",
    "export": "gtk.exports.onnx",
    "export_all": "gtk.exports.onnx",
    "hookimpl": "gtk.core.hooks",
    "load": "gtk.core.runs:find_run",
    "track": "gtk.core.work",
    "train": "gtk.core.training",
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
