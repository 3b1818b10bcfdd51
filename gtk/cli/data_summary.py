"""The summary of a data set: sizes, places, and how many images have each label."""

from collections.abc import Mapping
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gtk.cli.console import make_console, print_titled
from gtk.cli.suggested_training import command, expected_time, suggest
from gtk.core.registry.spec import DatasetSpec
from gtk.core.storage.cache import cache_folder
from gtk.core.values.class_balance import imbalance
from gtk.core.values.condition import Attributes, Classes, ConditionSpec
from gtk.core.values.dataset import Dataset, Split
from gtk.core.values.number_text import format_about
from gtk.core.values.text import counted, visible

#: The most rows of the table.
MOST_ROWS = 2_000

if TYPE_CHECKING:
    from rich.table import Table


def print_summary(spec: DatasetSpec, dataset: Dataset, root: Path | None) -> None:
    """Print what a data set holds, which was read from `root`, and a table of its labels."""
    described, condition = dataset.spec, dataset.spec.condition
    train, test = dataset.train, dataset.test
    colour = {1: "grey", 3: "colour"}.get(described.channels, f"{described.channels} channels")
    lines = [
        ("data set", f"{spec.name}: {spec.summary}"),
        ("images", f"{len(train):,} for training, {len(test):,} for tests"),
        ("size", f"{described.width}x{described.height} pixels, {colour}"),
        ("condition", "none" if condition is None else condition.summary),
        ("read from", _origin(spec, root)),
        ("decoded", f"{train.images.nbytes + test.images.nbytes:,} bytes {_place(train)}"),
        *(("note", note) for note in (*dataset.notes, imbalance(dataset)) if note),
    ]
    console = make_console()
    print_titled(console, lines)
    if condition is not None:
        console.print(_table(condition, train, test))


def print_suggestion(
    spec: DatasetSpec, dataset: Dataset, reference: str, given: Mapping[str, Any]
) -> None:
    """Print a command that trains on a data set, why, and how long it takes here.

    The data set was loaded by the name `reference`, with the options `given`. The time is measured
    for the user's own images: docs/systems.md has that of the published ones.
    """
    count, option = len(dataset.train), "image_size"
    resizable = option not in given and option in {item.name for item in fields(spec.config)}
    suggested = suggest(dataset.spec, count, resizable=resizable)
    lines = [("train on it", command(suggested, reference, given)), ("since", suggested.why)]
    own = spec.root == "required"
    expected = expected_time(suggested, count, reference, given) if own else None
    text = "--dry-run measures it"
    if expected is not None:
        seconds, precision = expected
        epochs = counted(suggested.epochs, "epoch")
        text = f"{format_about(seconds)} here in {precision}, for {epochs}"
    lines.append(("time", text))
    print_titled(make_console(), lines)


def _origin(spec: DatasetSpec, root: Path | None) -> str:
    if spec.root == "none":
        return "its package"
    return str(root) if root is not None else f"a download, in {cache_folder() / 'data'}"


def _place(split: Split) -> str:
    images: Any = split.images
    while isinstance(images, np.ndarray):  # a view of a mapped file is an ordinary array
        if isinstance(images, np.memmap):
            return f"in {Path(str(images.filename)).parent}"
        images = images.base
    return "in memory"


def _table(condition: ConditionSpec, train: Split, test: Split) -> "Table":
    """Return a row for each class, attribute or number, with figures of both splits."""
    from rich.table import Column, Table

    numbered = isinstance(condition, Classes)
    table = Table(*([Column("index", justify="right")] if numbered else []))
    table.add_column(condition.nouns[0], overflow="fold")
    for title in ("train", "test"):
        table.add_column(title, justify="right")
    figures = [_figures(condition, split) for split in (train, test)]
    rows = zip(condition.names, *figures, strict=True)
    for index, (name, *cells) in enumerate(islice(rows, MOST_ROWS)):
        table.add_row(*([str(index)] if numbered else []), visible(name), *cells)
    if not numbered:
        shares = isinstance(condition, Attributes)
        table.caption = "share of the images that have it" if shares else "lowest .. highest (mean)"
    elif condition.count > MOST_ROWS:
        table.caption = f"and {condition.count - MOST_ROWS:,} more"
    return table


def _figures(condition: ConditionSpec, split: Split) -> list[str]:
    """Return a count, a share or a range for each class, attribute or number of a split."""
    if isinstance(condition, Classes):
        return [f"{count:,}" for count in np.bincount(split.labels, minlength=condition.count)]
    # The rows of a plugin's own kind may have any shape.
    if not len(split) or split.labels.shape[1:] != (condition.count,):
        return ["-"] * condition.count
    means = split.labels.mean(axis=0, dtype=np.float64)
    if isinstance(condition, Attributes):
        return [f"{mean:.1%}" for mean in means]
    ends = zip(split.labels.min(axis=0), split.labels.max(axis=0), means, strict=True)
    return [f"{low:g} .. {high:g} ({mean:g})" for low, high, mean in ends]
