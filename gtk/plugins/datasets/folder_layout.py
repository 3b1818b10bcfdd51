"""The layout of a folder of images: each image's split and value, from folders or tables."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gtk.core.values.condition import Classes, ConditionSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.text import visible
from gtk.plugins.datasets.labels import Value
from gtk.plugins.datasets.listing import METADATA, Listing, count_by_suffix, on_disk
from gtk.plugins.datasets.metadata import Row, Table, kind_of, read_table
from gtk.plugins.datasets.splitting import choose_tested

#: Names of folders that are splits, in lower case, if a folder has one of each and no others.
TRAINING, TESTING = {"train"}, {"test", "val", "valid", "validation"}


@dataclass(frozen=True)
class Entry:
    """One image: its name in the folder, its value, and whether it is for testing."""

    name: str
    value: Value
    testing: bool


@dataclass
class FolderLayout:
    """All images of a folder, with their values.

    Attributes:
        entries: one for each image, in the order of their names, training images first.
        kind: of the values, None for images without values.
        columns: names of attributes or numbers.
        bad: reasons by name of an image that cannot be used.
        notes: for the user.
    """

    entries: list[Entry] = field(default_factory=list)
    kind: type[ConditionSpec] | None = None
    columns: tuple[str, ...] = ()
    bad: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_layout(root: Path, listing: Listing) -> FolderLayout:
    """Read each image's split and value from folder names or tables.

    Raises:
        InvalidValue: the layout is unknown, or a table is wrong.
    """
    for name, reason in listing.bad.items():
        if name.split("/")[-1] == METADATA:
            raise InvalidValue(f"{visible(root / name)} {reason}")
    splits = _split_folders(root, listing)
    tables = [folder for folder in ([""] if "" in listing.tables else splits or [""])
              if folder in listing.tables]  # fmt: skip
    if tables and tables != [""] and len(tables) < len(splits):
        raise InvalidValue(
            f"{visible(root)} has a {METADATA} in {tables[0]!r}, but not in "
            f"{next(folder for folder in splits if folder not in tables)!r}: give both, or one for "
            "all in the folder itself"
        )
    notes = []
    if splits and tables != [""]:
        for left_out in listing.top_folders.difference(splits):  # at most one, for validation
            listing = listing.without(left_out)
            notes = [f"images in {left_out!r} are not used, neither for training nor for testing"]
    result = FolderLayout(bad=dict(listing.bad), notes=notes)
    if tables:
        _from_tables(result, root, listing, tables)
    else:
        _from_folders(result, root, listing, splits)
    unused = [folder for folder in listing.tables if folder not in tables]
    if unused:
        result.notes.append(
            f"{visible(unused[0])}/{METADATA} is not used, since it is not at the top or in a split"
        )
    if listing.others:
        result.notes.append(
            "files skipped because their names do not end as those of images: "
            f"{listing.others.total()} ({count_by_suffix(listing.others)})"
        )
    result.entries.sort(key=lambda entry: entry.testing)
    return result


def _split_folders(root: Path, listing: Listing) -> list[str]:
    """Return the training folder and the test folder, or an empty list."""
    if any("/" not in name for name in listing.images):
        return []  # all lie flat, or `_classes` refuses the mixture
    filled = listing.top_folders
    names = {folder.lower(): folder for folder in filled}
    training, held_out = TRAINING & names.keys(), sorted(TESTING & names.keys())
    if not training or not held_out or len(filled) != len(training) + len(held_out):
        return []
    if len(held_out) > 1 and (held_out[0] != "test" or len(held_out) > 2):
        raise InvalidValue(
            f"{visible(root)} has the folders {', '.join(sorted(filled))}: gtk uses one for "
            f"training and one for testing, so move {names[held_out[-1]]!r} elsewhere"
        )
    return [names["train"], names[held_out[0]]]


def _from_folders(
    result: FolderLayout, root: Path, listing: Listing, splits: Sequence[str]
) -> None:
    """Fill the layout with the folders' names as classes."""
    found = [_classes(root, listing, folder) for folder in splits or [""]]
    if splits:
        kinds = [set(classes.values()) for classes in found]
        alone = kinds[0] ^ kinds[1]
        if alone:
            name = min(alone, key=str)
            here, there = splits if name in kinds[0] else reversed(splits)
            what = f"the class {name!r}" if name else "images outside of class folders"
            raise InvalidValue(
                f"{visible(root)}: {here!r} has {what}, but {there!r} lacks it: make them alike"
            )
        tested = [False] * len(found[0]) + [True] * len(found[1])
    else:
        tested = choose_tested([*found[0]], [*found[0].values()]).tolist()
    names = {name: value for classes in found for name, value in classes.items()}
    result.entries = list(map(Entry, names, names.values(), tested))
    classes = sorted(set(names.values()) - {""})
    result.kind = Classes if classes else None
    if len(classes) == 1:
        result.notes.append(
            f"all images are in one folder, {classes[0]!r}, so they are used without classes"
        )
    for folder in sorted(set(listing.folders) - listing.top_folders):
        result.notes.append(f"the folder {folder!r} is not a class, since it has no images")


def _classes(root: Path, listing: Listing, folder: str) -> dict[str, str]:
    """Return the class of each image in a folder, "" if the folder has no subfolders."""
    prefix = f"{folder}/" if folder else ""
    inside = [name for name in listing.images if name.startswith(prefix)]
    parts = {name: name.removeprefix(prefix).split("/") for name in inside}
    flat = [name for name in inside if len(parts[name]) == 1]
    if flat and len(flat) < len(inside):
        nested = next(name for name in inside if len(parts[name]) > 1)
        raise InvalidValue(
            f"{visible(root / folder)} has images beside folders of images "
            f"({visible(flat[0])} and {visible(nested)}): put all of them into folders, one a "
            "class, or none"
        )
    return {name: "" if flat else parts[name][0] for name in inside}


def _from_tables(
    result: FolderLayout, root: Path, listing: Listing, folders: Sequence[str]
) -> None:
    """Fill the layout with the values in metadata.csv; folders have no meaning."""
    tables = [read_table(on_disk(root, folder) / METADATA) for folder in folders]
    result.kind, result.columns = kind_of(tables), tables[0].columns
    images = set(listing.images)
    values: dict[str, Value] = {}
    for folder, table in zip(folders, tables, strict=True):
        for row in table.rows:
            name = f"{folder}/{row.file_name}" if folder else row.file_name
            if name in images:
                classes = result.kind is Classes
                values[name] = row.cells[0] if classes else tuple(map(float, row.cells))
            elif name not in result.bad:
                result.bad[name] = _absence(root, name, table, row)
    for name in listing.images:
        if name not in values:
            result.bad[name] = f"has no line in {METADATA}"
    names = sorted(values)
    if folders == [""]:
        groups = [values[name] if result.kind is Classes else "" for name in names]
        tested = choose_tested(names, groups).tolist()
    else:
        tested = [name.startswith(f"{folders[1]}/") for name in names]
    result.entries = [
        Entry(name, values[name], held_out) for name, held_out in zip(names, tested, strict=True)
    ]
    if result.kind is Classes and len(set(values.values())) == 1:
        result.notes.append(
            f"{result.columns[0]} is {next(iter(values.values()))!r} in all lines of {METADATA}, "
            "so the images are used without classes"
        )


def _absence(root: Path, name: str, table: Table, row: Row) -> str:
    """Return why a line's file is not among the images."""
    where = f"is in line {row.line} of {visible(table.path.relative_to(root))}"
    if os.path.isfile(on_disk(root, name)):  # noqa: PTH113 - Path.is_file raises where a name is too long
        return f"{where}, and its name does not end as that of an image"
    return f"{where}, but not in the folder"
