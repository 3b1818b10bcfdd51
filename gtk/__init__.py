"""gtk: a plugin-based toolkit for generative image models.

The public names are imported when they are first used: `import gtk` does not import torch.
"""

#: Not from typing, which takes long: nothing here could catch an interrupt of the command `gtk`.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from gtk.core.contracts.batch import Batch as Batch
    from gtk.core.contracts.conditioner import (
        Conditioner as Conditioner,
        ConditioningLayer as ConditioningLayer,
        PassThrough as PassThrough,
        PlainNormalization as PlainNormalization,
        ScoreLayer as ScoreLayer,
        Site as Site,
    )
    from gtk.core.contracts.iteration import Iteration as Iteration
    from gtk.core.contracts.loss import Context as Context, Loss as Loss, Update as Update
    from gtk.core.contracts.metric import (
        Judge as Judge,
        JudgedImages as JudgedImages,
        Metric as Metric,
    )
    from gtk.core.contracts.model import (
        ExportPart as ExportPart,
        Model as Model,
        ReconstructingModel as ReconstructingModel,
        SampledModel as SampledModel,
    )
    from gtk.core.contracts.noise import Noise as Noise
    from gtk.core.contracts.normalization import Normalization as Normalization
    from gtk.core.contracts.sampler import Sampler as Sampler
    from gtk.core.evaluation.evaluation_result import EvaluationResult as EvaluationResult
    from gtk.core.registry.hooks import hookimpl as hookimpl
    from gtk.core.registry.spec import (
        CallbackSpec as CallbackSpec,
        ConditionerSpec as ConditionerSpec,
        DatasetSpec as DatasetSpec,
        LossSpec as LossSpec,
        MetricSpec as MetricSpec,
        ModelSpec as ModelSpec,
        NoConfig as NoConfig,
        SamplerSpec as SamplerSpec,
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
    from gtk.core.values.dataset import Dataset as Dataset, DataSpec as DataSpec, Split as Split
    from gtk.core.values.errors import (
        GtkError as GtkError,
        InvalidValue as InvalidValue,
        StopTraining as StopTraining,
        UserError as UserError,
        WorkFailed as WorkFailed,
    )
    from gtk.core.values.figure import Figure as Figure, FigureSpec as FigureSpec
    from gtk.core.values.image import Image as Image
    from gtk.core.values.noise import NoiseSpec as NoiseSpec
    from gtk.core.values.path import (
        CosinePath as CosinePath,
        Path as Path,
        StraightPath as StraightPath,
        VariancePreservingPath as VariancePreservingPath,
    )
    from gtk.core.values.time_value import Time as Time
    from gtk.core.values.tracking import track as track
    from gtk.core.values.value import Array as Array, Value as Value
    from gtk.evaluate_function import evaluate as evaluate
    from gtk.exports.onnx import export as export, export_all as export_all
    from gtk.plugins.families.adversarial import AdversarialModel as AdversarialModel
    from gtk.plugins.families.gaussian import (
        DiagonalGaussian as DiagonalGaussian,
        StandardGaussian as StandardGaussian,
    )
    from gtk.plugins.families.latent_variable import (
        DrawnLikelihoodModel as DrawnLikelihoodModel,
        LatentVariableModel as LatentVariableModel,
    )
    from gtk.plugins.families.velocity import VelocityModel as VelocityModel
    from gtk.train_function import train as train

#: The public names of each module.
_NAMES = {
    "core.contracts.batch": "Batch",
    "core.contracts.conditioner": "Conditioner ConditioningLayer PassThrough PlainNormalization "
    "ScoreLayer Site",
    "core.contracts.iteration": "Iteration",
    "core.contracts.loss": "Context Loss Update",
    "core.contracts.metric": "Judge JudgedImages Metric",
    "core.contracts.model": "ExportPart Model ReconstructingModel SampledModel",
    "core.contracts.noise": "Noise",
    "core.contracts.normalization": "Normalization",
    "core.contracts.sampler": "Sampler",
    "core.evaluation.evaluation_result": "EvaluationResult",
    "core.registry.hooks": "hookimpl",
    "core.registry.spec": "CallbackSpec ConditionerSpec DatasetSpec LossSpec MetricSpec ModelSpec "
    "NoConfig SamplerSpec",
    "core.storage.run": "Run",
    "core.storage.runs": "load",
    "core.training.progress": "Progress",
    "core.values.codes": "Codes",
    "core.values.condition": "Attributes Classes ConditionSpec Numbers",
    "core.values.dataset": "DataSpec Dataset Split",
    "core.values.errors": "GtkError InvalidValue StopTraining UserError WorkFailed",
    "core.values.figure": "Figure FigureSpec",
    "core.values.image": "Image",
    "core.values.noise": "NoiseSpec",
    "core.values.path": "CosinePath Path StraightPath VariancePreservingPath",
    "core.values.time_value": "Time",
    "core.values.tracking": "track",
    "core.values.value": "Array Value",
    "evaluate_function": "evaluate",
    "exports.onnx": "export export_all",
    "plugins.families.adversarial": "AdversarialModel",
    "plugins.families.gaussian": "DiagonalGaussian StandardGaussian",
    "plugins.families.latent_variable": "DrawnLikelihoodModel LatentVariableModel",
    "plugins.families.velocity": "VelocityModel",
    "train_function": "train",
}
_HOMES = {name: f"gtk.{module}" for module, names in _NAMES.items() for name in names.split()}
#: What a public name is called in its module, if it has another name there.
_RENAMED = {"load": "find_run"}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - built from the one list of names


def __getattr__(name: str) -> "Any":  # noqa: ANN401 - any public name
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'gtk' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), _RENAMED.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
