"""Which metrics fit what is evaluated, and why the others do not."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias

from gtk.core.evaluation.evaluation import Chosen, check_classes, chosen
from gtk.core.settings.metric_choice import MetricChoice
from gtk.core.values.dataset import Dataset, DataSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting

#: What judges: a classifier of the data's classes that gtk trains, a file of one, or a network that
#: knows photographs.
JudgeKind: TypeAlias = Literal["trained", "file", "imagenet"]
#: The name by which the last is asked for.
IMAGENET = "efficientnet-lite0"


def judge_kind(judge: str | Path | None) -> JudgeKind:
    """Return what is meant by a judge that is named, or by none."""
    if judge is None:
        return "trained"
    return "imagenet" if str(judge) == IMAGENET else "file"


def fitting(
    choices: Sequence[MetricChoice],
    spec: DataSpec,
    model: object | None,
    data: Dataset,
    *,
    named: bool,
    judge: JudgeKind,
) -> tuple[list[Chosen], dict[str, str]]:
    """Return the metrics that fit what is evaluated, and why the others do not.

    Args:
        choices: the metrics.
        spec: the images that are evaluated.
        model: what made them, if it is known.
        data: what they are compared with.
        named: whether the user named the metrics.
        judge: of the metrics that ask one.

    Raises:
        InvalidValue: one that was named does not fit, or none does.
    """
    found, left_out = [], dict[str, str]()
    for choice in choices:
        try:
            one = chosen(choice, spec, model)
            if one.metric.judged:
                _check_judge(one, judge, data)
            found.append(one)
        except InvalidValue as error:
            if named:
                raise
            left_out[choice[0].spec.name] = str(error)
    if not found:
        raise no_metric_fits(left_out)
    return found, left_out


def no_metric_fits(left_out: dict[str, str]) -> InvalidValue:
    """Return the error where all metrics are left out, with the first reason."""
    return InvalidValue(f"no metric fits: {next(iter(left_out.values()))}")


def _check_judge(one: Chosen, judge: JudgeKind, data: Dataset) -> None:
    """Refuse a metric whose judge cannot judge the data, or is not to be had here.

    Raises:
        InvalidValue: it says why, and what to do.
    """
    if judge == "imagenet":
        _check_photographs(one, data)
    else:
        check_classes(data)
    if judge != "file" and find_spec("torch") is None:
        raise InvalidValue(
            "gtk's judge needs torch, which is not installed here: install it, or give "
            f"{setting('judge', example='FILE.onnx')}"
        )


def _check_photographs(one: Chosen, data: Dataset) -> None:
    """Refuse images in grey, and a metric that asks for the data's classes.

    Raises:
        InvalidValue: it says why.
    """
    name = one.choice[0].spec.name
    if one.metric.classified:
        raise InvalidValue(
            f"{name} asks for a judge of the classes of {data.spec.name}, which {IMAGENET} does "
            f"not know: leave it out, or leave out {setting('judge')}"
        )
    if data.spec.channels != 3:
        raise InvalidValue(
            f"{IMAGENET} judges colour photographs, and the images of {data.spec.name} are grey: "
            f"leave out {setting('judge')}"
        )
