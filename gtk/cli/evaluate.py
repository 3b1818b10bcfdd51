"""`gtk evaluate`: figures of what was drawn, with the protocol that they depend on."""

import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gtk.cli.console import print_columns, print_json, print_line
from gtk.cli.evaluated import Origin, judged_spec
from gtk.cli.metric_options import EvaluatingCommand, chosen_metrics
from gtk.cli.options import (
    USER_PATH,
    average_option,
    checkpoint_option,
    json_option,
    number_option,
    plugin_completer,
    run_argument,
    runs_option,
    seed_option,
)
from gtk.cli.progress_bar import work_shown
from gtk.cli.sampler_options import PREFIX, sampler_option, sampler_values
from gtk.core.evaluation.evaluation import (
    Chosen,
    check_classes,
    chosen,
    evaluate as evaluated_lines,
)
from gtk.core.evaluation.protocol import describe_data
from gtk.core.values.errors import GtkError, InvalidValue
from gtk.core.values.number_text import format_seconds
from gtk.core.values.text import counted, visible

if TYPE_CHECKING:
    from gtk.cli.evaluated import Evaluated
    from gtk.core.evaluation.judge import TrainedJudge
    from gtk.core.settings.metric_choice import MetricChoice
    from gtk.core.storage.evaluations import EvaluationLine
    from gtk.core.storage.run import Run
    from gtk.core.values.dataset import Dataset, DataSpec
    from gtk.exports.judge_file import FileJudge

SAMPLES, MOST = 10_000, 1_000_000


@click.command(cls=EvaluatingCommand)
@run_argument("source", "RUN|FILE.onnx|FOLDER|FILE.npz")
@click.option(
    "--against",
    metavar="NAME[:PATH]",
    shell_complete=plugin_completer("dataset"),
    help="The data to compare with; by default those that the run was trained on.",
)
@click.option("--data-root", type=USER_PATH, metavar="PATH", help="Where these data are.")
@click.option(
    "--metrics",
    metavar="NAME,...",
    help="What is computed; by default all of gtk's metrics that fit. Names: gtk plugins.",
)
@click.option(
    "--judge",
    type=USER_PATH,
    metavar="FILE.onnx",
    help="A classifier of your own; by default one that gtk trains on the data, once.",
)
@number_option("--samples", text="Images to draw, or to read.", high=MOST, default=SAMPLES)
@seed_option("Decides the noise of what is drawn.")
@sampler_option
@checkpoint_option
@average_option
@number_option("--batch-size", text="Images in one pass.", default=256)
@click.option("--device", help="Where it works: auto, cpu, cuda, cuda:1.  [default: cpu]")
@json_option("Print one JSON object, for programs: all figures with their protocols.")
@runs_option
def evaluate(
    *,
    metrics: str | None,
    judge: Path | None,
    samples: int,
    seed: int,
    as_json: bool,
    **given: Any,  # noqa: ANN401 - the fields of `Origin`, and options of metrics and sampler
) -> None:
    """Compute figures of a run, a file or images, with their protocol.

    A file is one that gtk exported, and images are a folder or an .npz of any program.

    gtk evaluate latest

    gtk evaluate latest --metrics class-accuracy,frechet-distance --samples 1000

    gtk evaluate digits.onnx --against digits

    gtk evaluate pictures/ --against folder:photos
    """
    start = time.perf_counter()
    sampler = {name: given.pop(name) for name in [*given] if name.startswith(PREFIX)}
    shared = {name: given.pop(name) for name in Origin.names()}
    origin = Origin(**shared, sampler_options=sampler_values(sampler))
    choices = chosen_metrics(metrics, given)
    with work_shown():
        data = origin.data()
        source = origin.open(data)
        spec = judged_spec(source, data.spec)
        _print_notes(source, data.spec, spec)
        fit, left_out = fitting(
            choices,
            spec,
            source.model,
            data,
            named=metrics is not None,
            own_judge=judge is not None,
        )
        described = describe_data(data)
        found = _judge(fit, data, described["digest"], judge, origin.device)
        lines = evaluated_lines(
            fit,
            lambda: source.batches(samples, seed),
            data,
            described,
            found,
            lambda: {**source.made, "seed": seed},
            left_out if metrics is None else None,
        )
    if not lines:
        raise InvalidValue(f"no metric fits: {next(iter(left_out.values()))}")
    if origin.run is not None:
        _keep(origin.run, lines)
    seconds = round(time.perf_counter() - start, 1)
    if as_json:
        print_json({"evaluations": lines, "left_out": left_out, "seconds": seconds})
        return
    _show(lines, left_out)
    accuracy = "" if found is None else f", by a judge that is right about {found.accuracy:.2%}"
    print_line(f"{source.name} against {data.spec.name}{accuracy}: {format_seconds(seconds)}")


def fitting(
    choices: Sequence["MetricChoice"],
    spec: "DataSpec",
    model: object | None,
    data: "Dataset",
    *,
    named: bool,
    own_judge: bool,
) -> tuple[list[Chosen], dict[str, str]]:
    """Return the metrics that fit what is evaluated, and why the others do not.

    Args:
        choices: the metrics.
        spec: the images that are evaluated.
        model: what made them, if it is known.
        data: what they are compared with.
        named: whether the user named the metrics.
        own_judge: whether the user named a judge.

    Raises:
        InvalidValue: one that was named does not fit, or none does.
    """
    found, left_out = [], dict[str, str]()
    for choice in choices:
        try:
            one = chosen(choice, spec, model)
            if one.metric.judged:
                check_classes(data)
                _check_torch(own_judge=own_judge)
            found.append(one)
        except InvalidValue as error:
            if named:
                raise
            left_out[choice[0].spec.name] = str(error)
    if not found:
        raise InvalidValue(f"no metric fits: {next(iter(left_out.values()))}")
    return found, left_out


def _check_torch(*, own_judge: bool) -> None:
    if not own_judge and find_spec("torch") is None:
        raise InvalidValue(
            "gtk's judge needs torch, which is not installed here: install it, or give --judge "
            "FILE.onnx"
        )


def _print_notes(source: "Evaluated", data: "DataSpec", spec: "DataSpec") -> None:
    """Say what was noted about images that were read, and whether their classes are not used."""
    for note in source.notes:
        print_line(note, err=True)
    if source.condition is not None and data.condition is not None and spec.condition is None:
        own, known = (", ".join(it.names[:4]) for it in (source.condition, data.condition))
        print_line(
            f"what {source.name} is made for ({own}, ...) is not among what {data.name} has "
            f"({known}, ...), and is not used",
            err=True,
        )


def _judge(
    metrics: Sequence[Chosen],
    data: "Dataset",
    digest: str,
    file: Path | None,
    device: str | None,
) -> "TrainedJudge | FileJudge | None":
    """Return the judge, of a file or the data's, if a metric asks for one."""
    if not any(one.metric.judged for one in metrics):
        if file is not None:
            names = ", ".join(one.choice[0].spec.name for one in metrics)
            raise InvalidValue(
                f"--judge is for metrics that need one, and none of these does: {names}"
            )
        return None
    if file is not None:
        from gtk.exports.judge_file import FileJudge

        return FileJudge(file, data, device or "cpu")
    from gtk.core.evaluation.judges import has_judge, judge_of
    from gtk.core.models.device import resolve_device

    if not has_judge(digest):
        print_line(
            f"a judge of {data.spec.name} is trained once on its "
            f"{counted(len(data.train), 'training image')}, and kept",
            err=True,
        )
    return judge_of(data, digest, resolve_device(device or "cpu"))


def _keep(run: "Run", lines: list["EvaluationLine"]) -> None:
    """Add what was found to the run; where that fails, say so."""
    from gtk.core.storage.evaluations import add_evaluations

    try:
        add_evaluations(run.path, lines)
    except GtkError as error:
        print_line(f"not kept: {error}", err=True)


def _show(lines: Sequence["EvaluationLine"], left_out: dict[str, str]) -> None:
    """Print a line for each figure, and why metrics were left out."""
    from gtk.core.storage.evaluations import figure_cells

    rows = []
    for line in lines:
        for name, table in line["figures"].items():
            cells = figure_cells(table)
            rows.append((line["metric"], name, *cells, table["better"], line["hash"]))
    print_columns(("metric", "figure", "value", "95% interval", "better", "protocol"), rows)
    for name, reason in left_out.items():
        print_line(f"{name} is left out: {visible(reason)}")
