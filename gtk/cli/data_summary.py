"""What there is to say of a data set: sizes, places, and how many images go by each label."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gtk.cli.console import make_console, print_wrapped
from gtk.core.registry.spec import DatasetSpec
from gtk.core.storage.cache import cache_folder
from gtk.core.values.condition import Attributes, Classes, ConditionSpec
from gtk.core.values.dataset import Dataset, Split
from gtk.core.values.text import visible

if TYPE_CHECKING:
    from rich.table import Table


def print_facts(spec: DatasetSpec, dataset: Dataset, root: Path | None) -> None:
    """Print what a data set holds, and a table of its labels.

    Args:
        spec: the plugin's.
        dataset: what it has loaded.
        root: where from, None for its own place.
    """
    described, condition = dataset.spec, dataset.spec.condition
    train, test = dataset.train, dataset.test
    colour = {1: "grey", 3: "colour"}.get(described.channels, f"{described.channels} channels")
    lines = [
        ("data set", f"{spec.name}: {spec.summary}"),
        ("images", f"{len(train):,} for training, {len(test):,} for tests"),
        ("size", f"{described.width}x{described.height} pixels, {colour}"),
        ("condition", _kind(condition)),
        ("read from", _origin(spec, root)),
        ("decoded", f"{train.images.nbytes + test.images.nbytes:,} bytes {_place(train)}"),
        *(("note", note) for note in dataset.notes),
    ]
    console = make_console()
    for title, text in lines:
        print_wrapped(console, visible(text), title)
    if condition is not None:
        console.print(_table(condition, train, test))


def train_command(dataset: Dataset, reference: str, options: Sequence[str]) -> str:
    """Return a command that trains on a data set, with a model and conditioner that fit it.

    Args:
        dataset: as loaded.
        reference: what the user calls it.
        options: that it was loaded with, as they are typed.
    """
    condition = dataset.spec.condition
    command = ["gtk", "train", "--plugin", "vae" if condition is None else "cvae"]
    if condition is not None and not isinstance(condition, Classes | Attributes):  # one-hot can't
        command += ["--conditioner", "film"]
    return shlex.join([*command, "--data", reference, *options])


def _kind(condition: ConditionSpec | None) -> str:
    if condition is None:
        return "none"
    return condition.summary


def _origin(spec: DatasetSpec, root: Path | None) -> str:
    if spec.root == "none":
        return "its package"
    return str(root) if root is not None else f"a download, in {cache_folder() / 'data'}"


def _place(split: Split) -> str:
    images = split.images
    while isinstance(images, np.ndarray) and not isinstance(images, np.memmap):
        if images.base is None:
            return "in memory"
        images = images.base
    return (
        f"in {Path(str(images.filename)).parent}" if isinstance(images, np.memmap) else "in memory"
    )


def _table(condition: ConditionSpec, train: Split, test: Split) -> "Table":
    """Return a row for each class, attribute or number, with figures of both splits."""
    from rich.table import Table

    table = Table()
    numbered = isinstance(condition, Classes)
    if numbered:
        table.add_column("label", justify="right")
    table.add_column(condition.nouns[0], overflow="fold")
    for title in ("train", "test"):
        table.add_column(title, justify="right")
    figures = [_figures(condition, split) for split in (train, test)]
    for label, (name, *cells) in enumerate(zip(condition.names, *figures, strict=True)):
        table.add_row(*([str(label)] if numbered else []), visible(name), *cells)
    if not numbered:
        shares = isinstance(condition, Attributes)
        table.caption = "share of the images that have it" if shares else "lowest .. highest (mean)"
    return table


def _figures(condition: ConditionSpec, split: Split) -> list[str]:
    """Return what is said of each class, attribute or number of a split."""
    if isinstance(condition, Classes):
        return [f"{count:,}" for count in np.bincount(split.labels, minlength=condition.count)]
    if not len(split):
        return ["-"] * condition.count
    if split.labels.shape[1:] != (condition.count,):  # of a plugin's kind
        return ["-"] * condition.count
    means = split.labels.mean(axis=0, dtype=np.float64)
    if isinstance(condition, Attributes):
        return [f"{mean:.1%}" for mean in means]
    ends = zip(split.labels.min(axis=0), split.labels.max(axis=0), means, strict=True)
    return [f"{low:g} .. {high:g} ({mean:g})" for low, high, mean in ends]
