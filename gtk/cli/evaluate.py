"""`gtk evaluate`: figures of what was drawn, with the protocol that they depend on."""

import time
from typing import TYPE_CHECKING, Any

import click

from gtk.cli.console import print_columns, print_json, print_line
from gtk.cli.metric_options import EvaluatingCommand, split_metrics
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
from gtk.cli.sampler_options import sampler_option
from gtk.cli.terminal_display import TerminalDisplay
from gtk.core.evaluation.evaluation_result import TITLES, EvaluationResult
from gtk.core.values.number_text import format_seconds
from gtk.core.values.text import shortened, visible
from gtk.evaluate_function import carry_out
from gtk.evaluate_request import ARGUMENTS, MOST, EvaluateRequest

if TYPE_CHECKING:
    from gtk.core.storage.evaluations import EvaluationLine

#: How many of the worst classes are named.
WORST = 3


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
    metavar="FILE.onnx|efficientnet-lite0",
    help="A classifier of your own, or a network that knows colour photographs; by default a "
    "classifier that gtk trains on the data, once.",
)
@number_option("--samples", text="Images to draw, or to read.", high=MOST, default=10_000)
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
    device: str | None,
    as_json: bool,
    **given: Any,  # noqa: ANN401 - the request's, and options of metrics, data and sampler
) -> None:
    """Compute figures of a run, a file or images, with their protocol.

    A file is one that gtk exported, and images are a folder or an .npz of any program.

    gtk evaluate latest

    gtk evaluate latest --metrics class-accuracy,frechet-distance --samples 1000

    gtk evaluate digits.onnx --against digits

    gtk evaluate pictures/ --against folder:photos
    """
    start = time.perf_counter()
    arguments = {name: given.pop(name) for name in ARGUMENTS if name in given}
    request = EvaluateRequest(
        **arguments,
        metrics=split_metrics(metrics),
        device=device or "cpu",
        options={name: value for name, value in given.items() if value is not None},
    )
    with work_shown():
        result = carry_out(request, TerminalDisplay())
    seconds = round(time.perf_counter() - start, 1)
    if as_json:
        found = {"evaluations": result.lines, "left_out": result.left_out}
        print_json({**found, "seconds": seconds})
        return
    _show(result, seconds)


def _show(result: EvaluationResult, seconds: float) -> None:
    """Print a line for each figure, the worst classes, why metrics were left out, and the judge."""
    print_columns(TITLES, result.rows())
    for line in result.lines:
        worst = worst_classes(line)
        if worst:
            print_line(worst)
    for name, reason in result.left_out.items():
        print_line(f"{name} is left out: {visible(reason)}")
    right = result.judge_accuracy
    judge = "" if right is None else f", by a judge that is right about {right:.2%}"
    print_line(f"{result.source} against {result.data}{judge}: {format_seconds(seconds)}")


def worst_classes(line: "EvaluationLine") -> str:
    """Return the classes in whose images the judge sees others most often; "" where there are none.

    Args:
        line: what a metric gave; of `class-accuracy`, or one with such details.
    """
    from gtk.pictures.confusion import Confusion

    confusion = Confusion.of(line["details"])
    if confusion is None:
        return ""
    texts = [
        f"{shortened(result.name)} {result.right / result.asked:.2%} "
        f"(mostly taken for {shortened(result.other)})"
        for result in confusion.worst(WORST)
        if result.other
    ]
    return f"{line['metric']}, worst classes: {', '.join(texts)}" if texts else ""
