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
from gtk.pictures.chart import Curve, chart, legend, term_points
from gtk.pictures.curves import term_names
from gtk.pictures.embedded import Frames, Picture, fitting, spread
from gtk.pictures.frames import column_heads, frames_figure
from gtk.pictures.latent_map import LatentMap, latent_figure
from gtk.pictures.markup import escaped, isolated, table
from gtk.pictures.page import LARGEST, page, section
from gtk.pictures.setup import environment_tables, settings_tables

#: Splits in the order in which they are shown, and what they are called.
SPLITS = {"train": "training", "validation": "validation", "test": "test"}
#: Epochs of one kind of picture that are looked at; a slider has no more places than that.
MOST_FRAMES = 100
#: Images side by side in pictures without classes, and in reconstructions.
COLUMNS = 10

FOOTER = "<footer>All of this page is in this one file; it asks nothing of any network.</footer>"

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
        reports, damage = [], f'<p class="warning">{escaped(error)}</p>\n'
    parts = [
        _header(run, reports),
        damage,
        _cards(reports),
        section("Curves", _curves(reports), "curves"),
        section("Samples", _samples(run, pictures["samples"]), "samples"),
        section(
            "Reconstructions", _reconstructions(pictures["reconstructions"]), "reconstructions"
        ),
        section("Latent space", _latents(pictures, latents), "latents"),
        section("Go on", _commands(run), "go-on"),
        section("Settings", settings_tables(run, networks), "settings"),
        section("Environment", environment_tables(run), "environment"),
        FOOTER,
    ]
    document = run.document
    title = f"{document['model']['name']} on {run.data_spec.name} · {run.name}"
    return page(title, "".join(parts))


def _header(run: Run, reports: Reports) -> str:
    document, spec = run.document, run.data_spec
    model, data = document["model"]["name"], spec.name
    pixels = f"{spec.width}x{spec.height} {'grey' if spec.channels == 1 else 'colour'} images"
    planned = document["train"]["epochs"]
    epoch, step = (reports[-1]["epoch"], reports[-1]["step"]) if reports else (0, 0)
    plural = "" if planned == 1 else "s"
    how = f"{epoch} of {planned} epochs" if epoch < planned else f"{epoch} epoch{plural}"
    return (
        f'<header>\n<p class="eyebrow">Run {isolated(run.name)}</p>\n'
        f"<h1>{isolated(model)} on {isolated(data)}</h1>\n"
        f"<p>Trained on {pixels}{_labels(run)}, for {how} ({step:,} steps), with the conditioner "
        f"{isolated(document['conditioner']['name'])} and the loss "
        f"{isolated(document['loss']['name'])}.</p>\n</header>\n"
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


def _cards(reports: Reports) -> str:
    """Return the figures of the split that says most, with what they are of."""
    last = last_reports(reports)
    if not last:
        return '<p class="note">Nothing has been reported yet.</p>\n'
    line = list(last.values())[-1]
    split = SPLITS[line["split"]]
    protocol = f"{line.get('unit', '')} · {line.get('images', 0):,} {split} images"
    cards = "".join(
        f'<div class="card"><b>{line["terms"][name]:.2f}</b><span>{escaped(name.replace("_", " "))}'
        f"</span><small>{escaped(protocol)}</small></div>\n"
        for name in term_names([line])
    )
    return f'<div class="cards">{cards}</div>\n{_caveat(last)}'


def _caveat(last: Mapping[str, Mapping[str, Any]]) -> str:
    if any(line.get("weights_chosen_on") == "test" for line in last.values()):
        return (
            '<p class="warning">The weights were chosen on the test images, so the test figures '
            "are not independent.</p>\n"
        )
    return ""


def _curves(reports: Reports) -> str:
    """Return a chart for each term, and the last figures of each split as a table."""
    if not reports:
        return ""
    last = reports[-1]["step"]
    unit = str(reports[0].get("unit", ""))
    charts = ""
    for term in term_names(reports):
        curves = [
            Curve(name, split, points)
            for split, name in SPLITS.items()
            if (points := term_points(reports, split, term))
        ]
        charts += chart(term, unit, curves, last) if curves else ""
    ends = last_reports(reports)
    key = legend(
        [(SPLITS[split], split, len(_steps(reports, split)) == 1) for split in ends],
    )
    return f'{key}<div class="charts">{charts}</div>\n{_ends(ends, unit)}'


def _steps(reports: Reports, split: str) -> set[int]:
    return {line["step"] for line in reports if line["split"] == split}


def _ends(ends: Mapping[str, Mapping[str, Any]], unit: str) -> str:
    rows: list[list[object]] = [
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
    heads = [unit, *(SPLITS[split] for split in ends)]
    return f"<h3>Last figures</h3>\n{table(heads, rows, label='Last figures', numbers=len(ends))}"


def _samples(run: Run, frames: Frames) -> str:
    if not frames:
        return ""
    condition = known_condition(run)
    heads = [] if condition is None else condition.example_names()
    columns = len(heads) or COLUMNS
    text = "Always from the same noise, so that epochs compare." + (
        " A column for each condition." if heads else ""
    )
    above = column_heads(heads, columns, run.data_spec.width)
    return frames_figure("Samples", frames, columns, above, text)


def _reconstructions(frames: Frames) -> str:
    if not frames:
        return ""
    text = "Above, test images, evenly chosen; below, what decoding each's posterior mean gives."
    return frames_figure("Reconstructions", frames, COLUMNS, "", text)


def _latents(pictures: Mapping[str, Frames], latents: LatentMap | None) -> str:
    images = pictures.get("latents")
    return latent_figure(latents, images[latents.epoch]) if latents and images else ""


def _commands(run: Run) -> str:
    commands = "\n".join(escaped(command) for command in next_commands(run))
    return (
        f'<pre tabindex="0" aria-label="commands"><code>{commands}</code></pre>' if commands else ""
    )
