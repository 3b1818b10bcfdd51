"""The summary of a data set: sizes, places, and how many images have each label."""

import shlex
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gtk.cli.console import make_console, print_titled
from gtk.core.registry.spec import DatasetSpec
from gtk.core.storage.cache import cache_folder
from gtk.core.values.class_balance import imbalance
from gtk.core.values.condition import Attributes, Classes, ConditionSpec
from gtk.core.values.dataset import Dataset, Split
from gtk.core.values.setting import setting
from gtk.core.values.text import visible

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


def train_command(dataset: Dataset, reference: str, options: Mapping[str, Any]) -> str:
    """Return a command that trains a model and conditioner that fit a data set.

    The data set was loaded by the name `reference`, with `options`.
    """
    condition = dataset.spec.condition
    command = ["gtk", "train", "--plugin", "vae" if condition is None else "cvae"]
    if condition is not None and not isinstance(condition, Classes | Attributes):
        # one-hot, the default of cvae, takes classes and attributes only
        command += ["--conditioner", "film"]
    command += ["--data", reference]
    typed = [
        setting(name, ",".join(map(str, value)) if isinstance(value, tuple) else value)
        for name, value in options.items()
    ]
    return " ".join([shlex.join(command), *typed])


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
