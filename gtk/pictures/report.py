"""The report of a run: a page made from the run's folder alone."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from gtk.core.storage.command import known_condition, next_commands
from gtk.core.storage.comparison import units_of
from gtk.core.storage.evaluations import (
    EvaluationLine,
    figure_cells,
    latest,
    read_evaluations,
)
from gtk.core.storage.run import Run
from gtk.core.storage.training_time import read_training_seconds
from gtk.core.values.condition import Classes, ConditionSpec, Numbers
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import UserError
from gtk.core.values.number_text import format_number, format_seconds
from gtk.core.values.output import write_file
from gtk.pictures.chart import Reports, Source, term_charts, term_names, term_words
from gtk.pictures.confusion import Confusion
from gtk.pictures.dimension_use import DimensionUse
from gtk.pictures.embedded import Frames, Picture, spread
from gtk.pictures.grid import GAP, usual_scale
from gtk.pictures.latent_map import MANIFOLD, SIDE, LatentMap
from gtk.pictures.page import PageGrid, page, page_with
from gtk.pictures.setup import environment_tables, settings_tables

#: Splits in the order in which they are shown, and their names.
SPLITS = {"train": "training", "validation": "validation", "test": "test", "generated": "samples"}
#: What the units of gtk's own losses mean.
UNITS = {
    "nats per image": "A nat is 1.44 bits. The loss bounds how many a code by this model takes for "
    "an image, up to a constant where pixels have a density: a sum over all pixels, so that larger "
    "images have more, and fewer are better.",
    "mean per image": "Means over images of what the two networks play for: the loss of each falls "
    "when it does better than the other, so neither says how good the images are. Scores are the "
    "discriminator's, higher for what it takes for real.",
    "mean squared error": "The mean over pixels of the squared error of what the network predicts, "
    "at random times of the way from noise to image: lower is better, and never 0, since the way "
    "cannot be told from a noisy image alone.",
}
#: The most epochs of one kind of picture, which a slider can show.
MOST_FRAMES = 100
#: The most bytes of them that are read.
MOST_BYTES = 64 << 20
#: Images side by side in pictures without classes, and in reconstructions.
COLUMNS = 10
#: The least width of an image of the manifold: all of it fits a phone.
MANIFOLD_CELL = 16

T = TypeVar("T")


class Shown(NamedTuple, Generic[T]):
    """What is drawn from the details of an evaluation, and how its images were made, in words."""

    what: T
    made: str


@dataclass(frozen=True)
class Evaluated:
    """What the page shows of a run's evaluations.

    Attributes:
        rows: of the table of figures.
        confusion: of the last one that counts what is seen of each class.
        dimensions: of the last one that measures the use of the latent code.
    """

    rows: Sequence[Sequence[str]] = ()
    confusion: Shown[Confusion] | None = None
    dimensions: Shown[DimensionUse] | None = None


def write_report(run: Run, path: Path | None = None) -> Path:
    """Write a run's report by rename, over an older one, and return its path.

    Args:
        run: finished or not.
        path: by default the run's own.

    Raises:
        UserError: it cannot be written, or one of gtk's own names in the run is a link.
    """
    run.check_links()
    write_file(path or run.report, report(run).encode(), follow=path is not None)
    return path or run.report


def report(run: Run) -> str:
    """Return the page, of less than `gtk.pictures.page.LARGEST` bytes."""
    pictures = {kind: read_frames(run.pictures, kind) for kind in ("samples", "reconstructions")}
    points, images = LatentMap.read(run.pictures) or (None, None)
    if points and images:
        manifold = Picture.read(run.pictures / MANIFOLD)
        pictures["latents"] = {points.epoch: images}
        pictures["manifold"] = {points.epoch: manifold} if manifold else {}
    reports: Reports = []
    evaluated = Evaluated()
    damage = ""
    try:
        reports = run.metrics()
        evaluated = _evaluated(run, reports)
    except UserError as error:  # all else can still be shown
        damage = str(error)
    commands = next_commands(run)
    return page_with(
        pictures, lambda chosen: _page(run, chosen, points, reports, evaluated, damage, commands)
    )


def read_frames(folder: Path, kind: str) -> Frames:
    """Read the pictures of a kind by epoch, as kind-0030.png; damaged ones are left out."""
    found = {
        int(match[1]): path
        for path in folder.glob(f"{kind}-*.png")
        if (match := re.fullmatch(rf"{kind}-([0-9]+)", path.stem))
    }
    found = spread(found, MOST_FRAMES)
    while len(found) > 1 and sum(path.lstat().st_size for path in found.values()) > MOST_BYTES:
        found = spread(found, len(found) // 2)
    frames = {epoch: Picture.read(path) for epoch, path in found.items()}
    return {epoch: picture for epoch, picture in frames.items() if picture is not None}


def _page(
    run: Run,
    pictures: Mapping[str, Frames],
    latents: LatentMap | None,
    reports: Reports,
    evaluated: Evaluated,
    damage: str,
    commands: Sequence[str],
) -> str:
    spec, condition = run.data_spec, known_condition(run)
    heads = [] if condition is None else condition.example_names()
    columns = _columns(pictures.get("samples", {}), spec, len(heads))
    lasts = {line["split"]: line for line in reports}
    unit = units_of([line for line in reports if "unit" in line][:1])
    ends = {split: lasts[split] for split in SPLITS if split in lasts and split != "generated"}
    return page(
        "report.html",
        title=f"{run.document['model']['name']} on {spec.name} · {run.name}",
        run=run,
        times=_times(run),
        spec=spec,
        labels=_labels(run),
        epoch=reports[-1]["epoch"] if reports else 0,
        step=reports[-1]["step"] if reports else 0,
        damage=damage,
        ends=ends,
        splits=SPLITS,
        figures=term_names(list(ends.values())[-1:]),
        chosen_on_test=any(line.get("weights_chosen_on") == "test" for line in ends.values()),
        key=[
            (name, split, len(_steps(reports, split)) == 1)
            for split, name in SPLITS.items()
            if split in lasts
        ],
        charts=term_charts([Source(name, split, split, reports) for split, name in SPLITS.items()]),
        unit=UNITS.get(unit, ""),
        figure_heads=[unit, *(SPLITS[split] for split in ends)],
        figure_rows=_figure_rows(ends),
        evaluated=evaluated,
        pictures=pictures,
        left_out=max(0, len(heads) - columns),
        samples=PageGrid(columns, spec.width, heads[:columns]),
        reconstructions=PageGrid(COLUMNS, spec.width),
        latents=latents,
        manifold=PageGrid(SIDE, spec.width, cell=MANIFOLD_CELL),
        manifold_of="" if condition is None else _default_name(condition),
        commands=commands,
        settings=settings_tables(run),
        environment=environment_tables(run),
    )


def _times(run: Run) -> list[str]:
    """Return the day on which a run began and how long its steps took, as far as it says so."""
    seconds = None
    with suppress(UserError):  # a damaged file: all else can still be shown
        seconds = read_training_seconds(run.path)
    day = (run.document.get("created") or "").partition("T")[0]
    took = "" if seconds is None else f"trained in {format_seconds(seconds)}"
    return [text for text in (day, took) if text]


def _columns(frames: Frames, spec: DataSpec, examples: int) -> int:
    """Return how many columns the pictures of samples have: not more than fit into one."""
    if not examples:
        return COLUMNS
    widths = {picture.width for picture in frames.values()}
    factor = usual_scale(spec.height)
    shown = (max(widths, default=0) // factor + GAP) // (spec.width + GAP)
    return min(examples, max(shown, 1)) if widths else examples


def _labels(run: Run) -> str:
    """Return the labels of the images in words."""
    condition = run.data_spec.condition
    if condition is None:
        return " without labels"
    each = " each" if isinstance(condition, Numbers) else ""
    return f" of {condition.count} {condition.nouns[1]}{each}"


def _default_name(condition: ConditionSpec) -> str:
    """Return the condition of the manifold in words: "class 0"."""
    name = condition.name(condition.default())
    return f"class {name}" if isinstance(condition, Classes) else name


def _steps(reports: Reports, split: str) -> set[int]:
    return {line["step"] for line in reports if line["split"] == split}


def _sample_rows(reports: Reports) -> list[list[str]]:
    """Return a row for each last figure of samples during the training, as `_evaluated_rows`."""
    lines = [line for line in reports if line["split"] == "generated"]
    last = {name: line for line in lines for name in line["terms"]}
    return [
        [
            term_words(name),
            f"{format_number(line['terms'][name])} {line['units'].get(name, '')}".rstrip(),
            "",
            f"step {line['step']:,}, {line['images']:,} images against {line['against']} images",
            "",
        ]
        for name, line in last.items()
    ]


def _evaluated(run: Run, reports: Reports) -> Evaluated:
    """Return what the page shows of a run's evaluations, and of those during the training.

    Raises:
        UserError: they cannot be read.
    """
    lines = read_evaluations(run.path)
    return Evaluated(
        rows=[*_sample_rows(reports), *_evaluated_rows(lines)],
        confusion=_last(lines, lambda line: Confusion.of(line["details"])),
        dimensions=_last(lines, lambda line: DimensionUse.of(line["details"], line["protocol"])),
    )


def _last(
    lines: Sequence[EvaluationLine], read: Callable[[EvaluationLine], T | None]
) -> Shown[T] | None:
    """Return what is read from the last line that has it."""
    for line in reversed(lines):
        found = read(line)
        if found is not None:
            made = _made(line)
            return Shown(found, f"{made}, protocol {line['hash']}" if made else line["hash"])
    return None


def _evaluated_rows(lines: Sequence[EvaluationLine]) -> list[list[str]]:
    """Return a row for each figure of the last evaluations.

    It has the figure, its value, its interval, how the images were made, and the protocol.
    """
    return [
        [
            f"{line['metric']} {name}".replace("_", " "),
            *figure_cells(table),
            _made(line),
            line["hash"],
        ]
        for line in latest(lines)
        for name, table in line["figures"].items()
    ]


def _made(line: EvaluationLine) -> str:
    """Say how the evaluated images were made: "step 900, by heun, seed 0"."""
    made, images = line["made"], line["protocol"]["images"]
    parts = [f"step {made['step']:,}"] if "step" in made else []
    if images:
        parts.append(f"{images:,} images")
        parts += [f"by {made['sampler']['name']}"] if "sampler" in made else []
        parts += [f"seed {made['seed']}"] if "seed" in made else []
    return ", ".join(parts)


def _figure_rows(ends: Mapping[str, Mapping[str, Any]]) -> list[list[str | None]]:
    """Return a row for each term, and for images, step and epoch; a cell for each split."""
    lines = list(ends.values())
    rows: list[list[str | None]] = [
        [
            name.replace("_", " "),
            *(f"{line['terms'][name]:,.3f}" if name in line["terms"] else None for line in lines),
        ]
        for name in term_names(lines)
    ]
    # Training images are counted since the line before, so one image may count many times.
    named = {"images": "mean over images", "step": "step", "epoch": "epoch"}
    rows += [[text, *(f"{line.get(name, 0):,}" for line in lines)] for name, text in named.items()]
    return rows
