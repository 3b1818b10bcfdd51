"""The report of a run: one page, made of nothing but what lies in the run's folder."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gtk.core.storage.command import known_condition, next_commands
from gtk.core.storage.run import Run
from gtk.core.values.condition import Numbers
from gtk.core.values.errors import UserError
from gtk.core.values.output import write_file
from gtk.pictures.chart import Chart, Curve, term_points
from gtk.pictures.curves import term_names
from gtk.pictures.embedded import Frames, Picture, fitting, spread
from gtk.pictures.latent_map import LatentMap
from gtk.pictures.page import LARGEST, page
from gtk.pictures.page_grid import PageGrid
from gtk.pictures.setup import environment_tables, settings_tables

#: Splits in the order in which they are shown, and what they are called.
SPLITS = {"train": "training", "validation": "validation", "test": "test"}
#: Epochs of one kind of picture that are looked at; a slider has no more places than that.
MOST_FRAMES = 100
#: Images side by side in pictures without classes, and in reconstructions.
COLUMNS = 10

Reports = Sequence[Mapping[str, Any]]


def write_report(run: Run, networks: Mapping[str, int], path: Path | None = None) -> Path:
    """Write a run's report by rename, over an older one, and return where it is.

    Args:
        run: finished or not: it is shown as far as it has come.
        networks: trainable parameters of each network; empty where they are not known.
        path: another place than the run's own.

    Raises:
        UserError: it cannot be written.
    """
    path = path or run.report
    write_file(path, report(run, networks).encode())
    return path


def report(run: Run, networks: Mapping[str, int]) -> str:
    """Return the page: always less than `LARGEST` bytes."""
    pictures: dict[str, Frames] = {
        kind: read_frames(run.pictures, kind) for kind in ("samples", "reconstructions")
    }
    latents = LatentMap.read(run.pictures)
    if latents is not None:
        pictures["latents"] = {latents[0].epoch: latents[1]}
    points = None if latents is None else latents[0]
    without = {
        kind: {epoch: replace(picture, content=b"") for epoch, picture in frames.items()}
        for kind, frames in pictures.items()
    }
    room = LARGEST - len(_page(run, networks, without, points).encode())
    return _page(run, networks, fitting(pictures, room), points)


def read_frames(folder: Path, kind: str) -> Frames:
    """Read the pictures of a kind by epoch, kind-0030.png and so on; damaged ones are left out."""
    found = {
        int(match[1]): path
        for path in folder.glob(f"{kind}-*.png")
        if (match := re.fullmatch(rf"{kind}-([0-9]+)", path.stem))
    }
    frames = {epoch: Picture.read(path) for epoch, path in spread(found, MOST_FRAMES).items()}
    return {epoch: picture for epoch, picture in frames.items() if picture is not None}


def _page(
    run: Run,
    networks: Mapping[str, int],
    pictures: Mapping[str, Frames],
    latents: LatentMap | None,
) -> str:
    try:
        reports: Reports = run.metrics()
        damage = ""
    except UserError as error:  # the rest is still worth a look
        reports, damage = [], str(error)
    spec, condition = run.data_spec, known_condition(run)
    heads = [] if condition is None else condition.example_names()
    ends = last_reports(reports)
    return page(
        "report.html",
        title=f"{run.document['model']['name']} on {spec.name} · {run.name}",
        run=run,
        spec=spec,
        labels=_labels(run),
        epoch=reports[-1]["epoch"] if reports else 0,
        step=reports[-1]["step"] if reports else 0,
        damage=damage,
        ends=ends,
        splits=SPLITS,
        figures=term_names(list(ends.values())[-1:]),
        chosen_on_test=any(line.get("weights_chosen_on") == "test" for line in ends.values()),
        key=[(SPLITS[split], split, len(_steps(reports, split)) == 1) for split in ends],
        charts=_charts(reports),
        figure_heads=[_unit(reports), *(SPLITS[split] for split in ends)],
        figure_rows=_figure_rows(ends),
        pictures=pictures,
        samples=PageGrid(len(heads) or COLUMNS, spec.width, heads),
        reconstructions=PageGrid(COLUMNS, spec.width),
        latents=latents,
        commands=next_commands(run),
        settings=settings_tables(run, networks),
        environment=environment_tables(run),
    )


def _labels(run: Run) -> str:
    """Say what the images are labelled with."""
    condition = run.data_spec.condition
    if condition is None:
        return " without labels"
    each = " each" if isinstance(condition, Numbers) else ""
    return f" of {condition.count} {condition.nouns[1]}{each}"


def last_reports(reports: Reports) -> dict[str, Mapping[str, Any]]:
    """Return the last line of each split, in the order in which splits are shown."""
    last = {line["split"]: line for line in reports}
    return {split: last[split] for split in SPLITS if split in last}


def _charts(reports: Reports) -> list[Chart]:
    """Return a chart for each term."""
    return [
        Chart(term, _unit(reports), curves, max(reports[-1]["step"], 1))
        for term in term_names(reports)
        if (curves := _curves(reports, term))
    ]


def _curves(reports: Reports, term: str) -> list[Curve]:
    return [
        Curve(name, split, points)
        for split, name in SPLITS.items()
        if (points := term_points(reports, split, term))
    ]


def _unit(reports: Reports) -> str:
    return str(reports[0].get("unit", "")) if reports else ""


def _steps(reports: Reports, split: str) -> set[int]:
    return {line["step"] for line in reports if line["split"] == split}


def _figure_rows(ends: Mapping[str, Mapping[str, Any]]) -> list[list[str | None]]:
    """Return a row for each term and for what its last figures are of; a cell for each split."""
    rows: list[list[str | None]] = [
        [
            name.replace("_", " "),
            *(
                f"{line['terms'][name]:,.3f}" if name in line["terms"] else None
                for line in ends.values()
            ),
        ]
        for name in term_names(list(ends.values()))
    ]
    rows += [
        [said, *(f"{line.get(name, 0):,}" for line in ends.values())]
        # Of a training they are those since the line before, so one image may count many times.
        for name, said in (("images", "mean over images"), ("step", "step"), ("epoch", "epoch"))
    ]
    return rows
