"""What `gtk train` prints at its end: networks, results, and the commands to go on with."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gtk.cli.console import make_console, print_line, print_titled
from gtk.core.registry.installed import SAMPLER
from gtk.core.registry.options import as_table
from gtk.core.registry.train_config import OPTIMIZERS_WITH, TrainConfig
from gtk.core.settings.choice import Settings
from gtk.core.storage.command import command_reference, next_commands
from gtk.core.storage.comparison import last_line
from gtk.core.storage.evaluations import (
    EvaluationLine,
    figure_cells,
    latest,
    read_evaluations,
)
from gtk.core.storage.run import Run
from gtk.core.values.by_part import of_part
from gtk.core.values.errors import UserError
from gtk.core.values.number_text import format_about, format_number
from gtk.core.values.text import counted

if TYPE_CHECKING:  # `gtk train --help` must not import torch
    from gtk.core.training.training import Training


def print_networks(training: "Training") -> None:
    """Show every network's layers, with shapes and parameter counts, and every part's count."""
    from rich.table import Column, Table

    from gtk.core.models.loss_networks import is_trained, trained
    from gtk.core.models.summary import network_sizes, parameter_count, summarize

    console = make_console()
    loss_networks = training.trainer.learner.context.networks
    layers = summarize(training.model, training.loss, training.dataset.spec, loss_networks)
    networks = {**training.model.networks(), **loss_networks}
    for name, size in network_sizes(networks).items():
        owner = " (of the loss)" if name in loss_networks else ""
        frozen = "" if is_trained(networks[name]) else ", not trained"
        title = f"{name}{owner}: {size:,} parameters{frozen}"
        last = Column("parameters", justify="right")
        table = Table("layer", "kind", "output", last, title=title, title_justify="left")
        for layer in layers:
            if layer.network == name:
                shape = " x ".join(map(str, layer.shape))
                table.add_row(layer.name, layer.kind, shape, f"{layer.parameters:,}")
        console.print(table)
    for text in suggested_options(training.settings):
        console.print(text, soft_wrap=True)
    schedule = training.trainer.schedule
    for part, module in (training.model.parts() | trained(loss_networks)).items():
        owner = " (of the loss)" if part in loss_networks else ""
        console.print(
            f"part {part}{owner}: {parameter_count(module):,} trainable parameters, "
            f"{optimizer_words(training.settings.train, part)}",
            soft_wrap=True,
        )
    console.print(
        f"{counted(schedule.steps_per_epoch, 'step')} an epoch, {schedule.total_steps} in all; "
        "nothing was trained (--dry-run)"
    )
    arithmetic, rates = training.choose_arithmetic()
    seconds = training.epoch_seconds(arithmetic, rates)
    time = f": an epoch takes {format_about(seconds)}" if seconds else ""
    console.print(f"{arithmetic}{time}")


def suggested_options(settings: Settings) -> Iterator[str]:
    """Yield the sampler, and the options of model and loss, chosen for the data by a plugin."""
    if SAMPLER.name in settings.suggestible:
        yield f"sampler: {settings.choice.sampler.spec.name}, for these data"
    for name in sorted(settings.suggestible):
        table, dot, field = name.partition(".")
        if not dot:  # the trainer's, which stand in the lines below
            continue
        value = as_table(settings.configs[table])[field]
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        yield f"{table} option {field.replace('_', ' ')}: {text}, for these data"


def optimizer_words(config: TrainConfig, part: str) -> str:
    """Return the optimizer of a part with its options: "sgd, learning rate 0.1, momentum 0.9"."""
    own = [name for name, able in OPTIMIZERS_WITH.items() if config.optimizer in able]
    words = [
        f"{name.replace('_', ' ')} {of_part(getattr(config, name), part):g}"
        for name in ("learning_rate", *own, "weight_decay")
    ]
    return ", ".join([config.optimizer, *words])


def print_finished(run: Run, *, quiet: bool) -> None:
    """Show the last figures, where everything is, and what to type next."""
    if quiet:
        print_line(run.path)
        return
    console = make_console()
    evaluations = evaluated(run)
    for line in last_metrics(run):
        if line["split"] == "generated":
            if not evaluations:
                print_titled(console, [("samples", sample_words(line))])
            continue
        terms = ", ".join(f"{name} {format_number(value)}" for name, value in line["terms"].items())
        images = "test images" if line.get("images_from") == "test" else "images"
        if line["split"] == "train":
            images = "images seen last"
        text = f"{terms} {line['unit']} ({line['images']} {images})"
        print_titled(console, [(line["split"], text)])
    figures = [
        f"{evaluation['metric'].replace('-', ' ')} {figure_cells(next(iter(tables)))[0]}"
        for evaluation in evaluations
        if (tables := evaluation["figures"].values())
    ]
    if figures:
        print_titled(console, [("samples", ", ".join(figures))])
    if run.settings.train.validate_on_test:
        console.print(
            "validated on the test images: the test figure chose these weights and is not "
            "independent",
            soft_wrap=True,
        )
    step = run.checkpoints.choose(None)
    if run.report.exists():
        console.print(f"report      {run.report}")
    console.print(f"pictures    {run.pictures}")
    console.print(f"checkpoint  {run.checkpoints.folder(step)}")
    console.print("go on with")
    for command in next_commands(run):
        console.print(f"  {command}")


def evaluated(run: Run) -> list[EvaluationLine]:
    """Return the evaluations of the last step's weights."""
    step = run.checkpoints.choose(None)
    try:
        lines = latest(read_evaluations(run.path))
    except UserError:
        return []  # the report says so
    return [line for line in lines if line["made"].get("step") == step]


def sample_words(line: Mapping[str, Any]) -> str:
    """Return the figures of samples: "class-accuracy.accuracy 0.98 (1000 samples)"."""
    figures = (
        f"{name} {format_number(value)} {line['units'].get(name, '')}".rstrip()
        for name, value in line["terms"].items()
    )
    return f"{', '.join(figures)} ({line['images']} samples, step {line['step']})"


def last_metrics(run: Run) -> list[Mapping[str, Any]]:
    """Return the last line of each split."""
    lines = run.metrics()
    splits = dict.fromkeys(line["split"] for line in lines)
    return [found for split in splits if (found := last_line(lines, split)) is not None]


def print_stopped(run: Run | None, command: str | None = None) -> None:
    """Print how to go on with a training that was interrupted, if it has a folder by then.

    By default the command is `gtk train --resume`.
    """
    if run is None or run.document.get("finished"):
        return
    saved = max(run.checkpoints.steps(), default=0)
    command = command or f"gtk train --resume {command_reference(run)}"
    print_line(f"Stopped; saved up to step {saved}. Go on: {command}", err=True)
