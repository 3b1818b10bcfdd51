"""The folders of a folder of images as its classes."""

import os
from collections.abc import Sequence
from unicodedata import normalize

from gtk.core.values.condition import Classes
from gtk.core.values.errors import InvalidValue
from gtk.core.values.text import visible
from gtk.plugins.datasets.folder_layout import Entry, FolderLayout
from gtk.plugins.datasets.folder_plan import FolderPlan
from gtk.plugins.datasets.label_columns import NOTHING
from gtk.plugins.datasets.remedy import listed, with_remedy
from gtk.plugins.datasets.splitting import choose_tested


def fill_from_folders(result: FolderLayout, plan: FolderPlan, used: Sequence[str]) -> None:
    """Fill the layout with the folders' names as classes."""
    groups: dict[bool | None, list[str]] = {}
    for name in used:
        if place := plan.splits[name]:
            groups.setdefault(place.held_out, []).append(name)
    found = {held_out: _classes(plan, names) for held_out, names in groups.items()}
    if len(found) > 1:
        result.notes += _agree(plan, found)
    names = {name: value for classes in found.values() for name, value in classes.items()}
    if len(found) < 2:
        tested = choose_tested([*names], [*names.values()]).tolist()
    else:
        tested = [held_out for held_out, classes in found.items() for _ in classes]
    result.entries = list(map(Entry, names, names.values(), tested))
    result.entries.sort(key=lambda entry: entry.name)
    classes = sorted(set(names.values()) - {""})
    result.kind = Classes if classes else None
    result.notes += _alike(classes)
    if len(classes) == 1:
        result.notes.append(
            f"all images are in one folder, {classes[0]!r}, so they are used without classes"
        )
    for folder in sorted(set(plan.listing.folders) - plan.listing.top_folders):
        result.notes.append(f"the folder {folder!r} is not a class, since it has no images")


def _agree(plan: FolderPlan, found: dict[bool | None, dict[str, str]]) -> list[str]:
    """Make the classes of the training and the test images agree, and return notes on that.

    Where only one of them has folders for classes, test images without a class are left out, and
    those of training images without classes are not used.
    """
    training = {*found[False].values()}
    composed = {normalize("NFC", name): name for name in training}  # some systems decompose accents
    found[True] = {
        image: composed.get(normalize("NFC", name), name) for image, name in found[True].items()
    }
    testing = {*found[True].values()}
    here, there = listed(plan.splits.training), listed(plan.splits.testing)
    if "" in testing - training:
        del found[True]
        text = (
            f"images in {there} are not in folders for classes, so they are not used, and a tenth "
            f"of {here} is for testing; to use all without classes, add"
        )
        return [with_remedy(text, "condition", NOTHING)]
    if "" in training - testing:
        found[True] = dict.fromkeys(found[True], "")
        return [f"folders in {there} are not classes, since images in {here} are in none"]
    lacking = (("training", sorted(testing - training)), ("test", sorted(training - testing)))
    return [f"there are no {what} images of {listed(names)}" for what, names in lacking if names]


def _alike(classes: list[str]) -> list[str]:
    """Return a note on classes whose names differ in case only."""
    groups: dict[str, list[str]] = {}
    for name in classes:
        groups.setdefault(name.casefold(), []).append(name)
    alike = [name for group in groups.values() if len(group) > 1 for name in group]
    if not alike:
        return []
    return [f"names of classes differ in case only: {listed(alike)}; if they are one, rename them"]


def _classes(plan: FolderPlan, names: Sequence[str]) -> dict[str, str]:
    """Return the class of each image of a split, "" if it has no folders for classes."""
    if plan.config.condition == NOTHING:
        return dict.fromkeys(names, "")
    parts = {name: place.classes for name in names if (place := plan.splits[name])}
    flat = [name for name in names if not parts[name]]
    if flat and len(flat) < len(names):
        nested = next(name for name in names if parts[name])
        raise InvalidValue(
            f"{visible(plan.root / _shared(flat[0], nested))} has images beside folders of images "
            f"({visible(flat[0])} and {visible(nested)}): put all of them into folders, one a "
            "class, or none"
        )
    return {name: "" if flat else parts[name][0] for name in names}


def _shared(one: str, other: str) -> str:
    """Return the folder that two images share."""
    return os.path.commonpath([os.path.dirname(one), os.path.dirname(other)])  # noqa: PTH120 - texts
