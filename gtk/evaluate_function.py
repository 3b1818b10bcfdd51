"""The function `gtk.evaluate`, which `gtk evaluate` calls too: from a request to figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.evaluation.evaluated import judged_spec, notes_on
from gtk.core.evaluation.evaluation import Chosen, evaluate as evaluated_lines
from gtk.core.evaluation.evaluation_result import EvaluationResult
from gtk.core.evaluation.fitting import fitting, judge_kind, no_metric_fits
from gtk.core.evaluation.protocol import describe_data
from gtk.core.storage.evaluations import EvaluationLine, add_evaluations
from gtk.core.storage.run import Run
from gtk.core.values.argument import typed
from gtk.core.values.dataset import Dataset
from gtk.core.values.default_device import on_cpu_by_default
from gtk.core.values.display import Display
from gtk.core.values.errors import GtkError, InvalidValue
from gtk.core.values.memory import within_memory
from gtk.core.values.setting import setting
from gtk.core.values.text import counted
from gtk.evaluate_request import EvaluateRequest

if TYPE_CHECKING:  # an exported file is evaluated without torch, and a run without onnxruntime
    from gtk.core.evaluation.imagenet_judge import ImageNetJudge
    from gtk.core.evaluation.judge import TrainedJudge
    from gtk.exports.judge_file import FileJudge


@typed
@on_cpu_by_default()
@within_memory("evaluating images", "Use a smaller batch_size, or a machine with more memory")
def evaluate(
    source: Run | str | Path | NDArray[np.uint8],
    against: str | Dataset | None = None,
    *,
    labels: Sequence[Any] | None = None,
    metrics: Sequence[str] | None = None,
    samples: int = 10_000,
    seed: int = 0,
    judge: str | Path | None = None,
    sampler: str | None = None,
    checkpoint: str | int | None = None,
    average: float | None = None,
    batch_size: int = 256,
    device: str = "cpu",
    data_root: str | Path | None = None,
    runs: str | Path = "runs",
    **options: Any,  # noqa: ANN401 - each metric, sampler and data set has options of its own
) -> EvaluationResult:
    """Compute figures of a run, an exported file or images, with their protocols.

    A run keeps them in its evaluations.jsonl, from where `gtk compare` and reports take them.

    Args:
        source: a run, its folder, its name or "latest"; the .onnx file of an export; a folder or an
            .npz file of images; or an array of images as `Run.sample` returns it: uint8 (N, H, W),
            or (N, H, W, C) in colour.
        against: the data to compare with, a `gtk.Dataset` or a name; "NAME:PATH" adds its path, as
            in "folder:photos". By default those that the run was trained on.
        labels: what each image of an array is made for, as `Run.sample` takes it.
        metrics: names of metrics, which have to fit; by default all of gtk's that do.
        samples: how many images are drawn, or at most read.
        seed: decides the noise of what is drawn.
        judge: a classifier of your own, an .onnx file, or "efficientnet-lite0" for features of
            colour photographs; by default a classifier that gtk trains on the data, once.
        sampler: how images are drawn, as in `Run.sample`.
        checkpoint: as in `Run.load_model`.
        average: likewise.
        batch_size: images in one pass; changes no image.
        device: "auto", or a device such as "cpu" or "cuda".
        data_root: the path the data set reads; by default its own, or that of the training.
        runs: the folder that holds the runs.
        options: of the sampler by their names (temperature, ...), of metrics as METRIC_NAME
            (likelihood_samples, ...) and of the data as against_NAME (against_image_size, ...).

    Raises:
        GtkError: something does not exist, does not fit or failed; the message says what.
    """
    arguments = locals()  # all parameters; a test compares them with the fields of a request
    return carry_out(EvaluateRequest(**arguments), Display())


def carry_out(request: EvaluateRequest, display: Display) -> EvaluationResult:
    """Compute what is asked for, and keep it in the run if it is one.

    Args:
        request: what is asked for.
        display: where progress and notes are shown.

    Raises:
        GtkError: something does not exist, does not fit or failed.
    """
    choices = request.choices
    data = request.data(display)
    source = request.open(data, display)
    spec = judged_spec(source, data.spec)
    for note in notes_on(source, data.spec):
        display.note(note)
    named = request.metrics is not None
    fit, left_out = fitting(
        choices, spec, source.model, data, named=named, judge=judge_kind(request.judge)
    )
    described = describe_data(data)
    found = _judge(fit, data, described["digest"], request, display)
    lines = evaluated_lines(
        fit,
        lambda: source.batches(request.samples, request.seed),
        data,
        described,
        found,
        lambda: {**source.made, "seed": request.seed},
        None if named else left_out,
    )
    if not lines:
        raise no_metric_fits(left_out)
    if request.run is not None:
        _keep(request.run, lines, display)
    accuracy = None if found is None else found.accuracy
    return EvaluationResult(source.name, data.spec.name, lines, left_out, accuracy)


def _judge(
    metrics: Sequence[Chosen],
    data: Dataset,
    digest: str,
    request: EvaluateRequest,
    display: Display,
) -> "TrainedJudge | FileJudge | ImageNetJudge | None":
    """Return the judge, of a file, of photographs or the data's, if a metric asks for one.

    Raises:
        GtkError: the file is not a judge of the data, or none asks for it.
    """
    file, device = request.judge, request.device
    if not any(one.metric.judged for one in metrics):
        if file is not None:
            names = ", ".join(one.choice[0].spec.name for one in metrics)
            raise InvalidValue(
                f"{setting('judge')} is for metrics that need one, and none of these does: {names}"
            )
        return None
    if file is not None and judge_kind(file) == "file":
        from gtk.exports.judge_file import FileJudge

        # Of GPUs onnxruntime knows CUDA's alone.
        unknown = device.startswith(("mps", "xpu"))
        return FileJudge(Path(file), data, "cpu" if unknown else device)
    from gtk.core.evaluation.judges import has_judge, judge_of
    from gtk.core.models.device import resolve_device

    if file is not None:
        from gtk.core.evaluation.imagenet_judge import ImageNetJudge

        return ImageNetJudge(resolve_device(device))
    if not has_judge(digest):
        display.note(
            f"a judge of {data.spec.name} is trained once on its "
            f"{counted(len(data.train), 'training image')}, and kept"
        )
    return judge_of(data, digest, resolve_device(device))


def _keep(run: Run, lines: list[EvaluationLine], display: Display) -> None:
    """Add what was found to the run; where that fails, a note says so."""
    try:
        add_evaluations(run.path, lines)
    except GtkError as error:
        display.note(f"not kept: {error}")
