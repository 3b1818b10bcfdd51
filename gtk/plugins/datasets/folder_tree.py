"""The tree of folders with images, and the ways to read it as splits and classes."""

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting
from gtk.core.values.text import visible
from gtk.plugins.datasets import Layout
from gtk.plugins.datasets.folder_splits import FolderSplits, Parts, Place
from gtk.plugins.datasets.remedy import listed, with_remedy
from gtk.plugins.datasets.split_name import GENERIC, SplitName, split_name

#: Names that need no note, in lower case.
PLAIN = frozenset({"train", "test", "val", "valid", "validation"})
#: More folders than these, besides that for training, are rather parts of the data than splits.
MOST_HELD_OUT = 2


def find_splits(
    root: Path, folders: Mapping[Parts, int], layout: Layout, tables: Collection[Parts] = ()
) -> FolderSplits:
    """Return what every folder with images is.

    Args:
        root: the folder of all images, for messages.
        folders: how many images each folder has itself, by its path.
        layout: the user's choice.
        tables: the paths of the folders that have a file of labels.

    Raises:
        InvalidValue: there are several splits for one purpose, or not those that were asked for.
    """
    tree = _Tree(root, folders, tables)
    if layout == "flat":
        return FolderSplits({parts: Place(None, ()) for parts in folders})
    if layout == "classes":
        return FolderSplits({parts: Place(None, parts) for parts in folders})
    if layout == "splits":
        return tree.splits((), tree.asked_roles(), asked=True)
    if layout == "class-splits":
        return tree.class_splits((), asked=True)
    base: Parts = ()
    while base not in tree.folders:
        found = tree.recognized(base)
        if found:
            return found
        names = tree.children(base)
        if len(names) != 1:
            break
        base = (*base, *names)
    return tree.classes()


def _roles(names: Collection[str]) -> dict[str, SplitName]:
    return {name: found for name in sorted(names) if (found := split_name(name))}


def _of(roles: dict[str, SplitName], *wanted: str) -> list[str]:
    return [name for name, found in roles.items() if found.role in wanted]


class _Tree:
    """The paths of all folders with images, and the ways to read them."""

    def __init__(self, root: Path, folders: Mapping[Parts, int], tables: Collection[Parts]) -> None:
        self.root = root
        self.folders = folders
        self.tables = tables
        self._children: dict[Parts, set[str]] = {}
        for parts in folders:
            for depth, name in enumerate(parts):
                self._children.setdefault(parts[:depth], set()).add(name)

    def children(self, parts: Parts) -> set[str]:
        """Return the names of the folders in a folder."""
        return self._children.get(parts, set())

    def classes(self) -> FolderSplits:
        """Read the folders at the top as classes, and say what else they look like."""
        tops = sorted(self.children(()))
        notes = self._other_reading(tops)
        path: Parts = ()
        inner = tops
        while len(inner) == 1 and path not in self.folders:
            path = (*path, *inner)
            inner = sorted(self.children(path))
        if path and inner and path not in self.folders:
            where = visible("/".join(path))
            notes.append(
                f"{listed(inner)} in {where!r} are not read as classes; if they are, give the path "
                f"{visible(self.root)}/{where}"
            )
        return FolderSplits({parts: Place(None, parts) for parts in self.folders}, notes=notes)

    def _other_reading(self, tops: list[str]) -> list[str]:
        """Return a note on what the folders at the top look like besides classes."""
        roles = _roles(tops)
        if _of(roles, "train") and _of(roles, "test", "val"):
            text = (
                f"{listed(list(roles))} are read as classes, though splits have such names; if "
                "they are, add"
            )
            return [with_remedy(text, "layout", "splits")]
        inner = [_roles(self.children((top,))) for top in tops]
        if len(tops) > 1 and any(_of(found, "train", "test") for found in inner):
            text = "folders in classes have names of splits, which are not used; to use them, add"
            return [with_remedy(text, "layout", "class-splits")]
        shared = self._shared_folders(tops)
        return [self._shared_note(tops, shared)] if shared else []

    def _shared_note(self, tops: list[str], shared: list[str]) -> str:
        """Return a note on folders at the top that may be domains, folds or splits."""
        text = (
            f"{listed(tops)} are read as classes, though each of them has the folders "
            f"{listed(shared)}; if these are the classes, give one path, such as "
            f"{visible(self.root)}/{visible(tops[0])}"
        )
        largest, *others = self._by_size(tops)
        if len(others) > MOST_HELD_OUT:
            return text
        roles = f"{listed([largest])} is for training and {listed(sorted(others))} for testing"
        return with_remedy(f"{text}, or, if {roles}, add", "layout", "splits")

    def asked_roles(self) -> dict[str, SplitName]:
        """Return what the folders at the top are where the user says that they are splits.

        Names in any language: where they do not tell and all have the same folders, the one with
        the most images is for training.
        """
        names = self.children(())
        roles = _roles(names)
        known = _of(roles, "train") and _of(roles, "test", "val")
        if known or len(names) > 1 + MOST_HELD_OUT or not self._shared_folders([*names]):
            return roles
        training = (_of(roles, "train") or self._by_size(names - {*roles} or names))[0]
        return {name: SplitName("train" if name == training else "test", ()) for name in names}

    def _by_size(self, tops: Collection[str]) -> list[str]:
        """Return folders at the top by their numbers of images, the largest first."""
        counts = Counter[str]()
        for parts, count in self.folders.items():
            counts["".join(parts[:1])] += count
        return sorted(tops, key=lambda top: (-counts[top], top))

    def _shared_folders(self, tops: Collection[str]) -> list[str]:
        """Return the folders in all folders at the top, if they have the same ones and no others.

        A split may lack a few that the one with the most images has.
        """
        inside = [self.children((top,)) for top in self._by_size(tops)]
        if len(inside) < 2 or any((top,) in self.folders for top in tops):
            return []
        shared = set.intersection(*inside)
        few = len(tops) <= 1 + MOST_HELD_OUT and all(names <= inside[0] for names in inside)
        same = all(names == inside[0] for names in inside)
        return sorted(shared) if len(inside[0]) > 1 and (same or few) else []

    def recognized(self, base: Parts) -> FolderSplits | None:
        """Return the splits in a folder, or in the classes in it; None if it has neither."""
        names = self.children(base)
        roles = _roles(names)
        if self._are_splits(base, roles):
            return self.splits(base, roles)
        inner = [
            (*base, name) not in self.folders and _roles(self.children((*base, name)))
            for name in names
        ]
        complete = all(
            roles and len(roles) == len(self.children((*base, name)))
            for name, roles in zip(names, inner, strict=True)
        )
        found = [role.role for roles in inner if roles for role in roles.values()]
        if len(names) > 1 and complete and "train" in found and {"test", "val"} & {*found}:
            return self.class_splits(base)
        return None

    def _are_splits(self, base: Parts, roles: dict[str, SplitName]) -> bool:
        """Return whether the folders in `base` with these names are its splits."""
        training, held_out = _of(roles, "train"), _of(roles, "test", "val")
        others = self.children(base) - {*roles}
        if training and not held_out:
            inside = (*base, *training)
            telling = bool(self.children(inside)) or inside in self.tables
            return len(training) == 1 and not others and telling
        rests = {found.rest for found in roles.values()}
        if _lettered(roles):
            return not others
        if len(training) != 1 or not held_out:
            return False
        common = self.children((*base, *training)) & set[str]().union(
            *(self.children((*base, name)) for name in held_out)
        )
        return bool(common) or not (others or len(rests) > 1)

    def splits(
        self, base: Parts, roles: dict[str, SplitName], *, asked: bool = False
    ) -> FolderSplits:
        """Read the folders in `base` as splits: below them are the classes.

        Raises:
            InvalidValue: none is for training, or, unless the user `asked` for splits, several are
                for testing.
        """
        names = self.children(base)
        if not _of(roles, "train"):
            raise InvalidValue(
                f"{visible(self.root)} has no folder for training, such as 'train': rename one, or "
                f"leave {setting('layout')} out"
            )
        testing = _of(roles, "test") or _of(roles, "val")
        if not (_lettered(roles) or asked):
            self._refuse_several(names, roles)
        training = _of(roles, "train")
        result = FolderSplits({}, base, training, testing)
        unused = sorted(names - {*training, *testing})
        result.left_out = _left_out(unused)
        passed = self._passed(base, [*training, *testing])
        inner = set[str]().union(*(self.children((*base, name)) for name in names - {*unused}))
        telling = {name for name in inner if name.lower() not in GENERIC}
        named = _lettered(roles) or (asked and not telling and _have_classes(roles))
        for parts in self.folders:
            name = parts[len(base)] if parts[: len(base)] == base and len(parts) > len(base) else ""
            if name not in {*training, *testing}:
                result.places[parts] = None
                continue
            start = len(base) + 1 + (name in passed)
            own = ("_".join(roles[name].rest),) if named else ()
            held_out = (name in testing) if testing else None
            result.places[parts] = Place(held_out, (*own, *parts[start:]))
        unusual = bool(base or named or passed or {*unused} - {*_of(roles, "val")})
        result.notes = _explained(result, unusual=unusual, asked=asked)
        if len(training) > 1 and not named:
            result.notes.append(
                f"the names of {listed(training)} are not read as classes; if they are, name all "
                "folders for training and testing so, or make a folder for each class in them"
            )
        return result

    def class_splits(self, base: Parts, *, asked: bool = False) -> FolderSplits:
        """Read the folders in `base` as classes that hold splits, as the user may have `asked`.

        Raises:
            InvalidValue: no folder in a class has the name of a split for training.
        """
        roles = _roles(
            {name for top in self.children(base) for name in self.children((*base, top))}
        )
        if not _of(roles, "train"):
            raise InvalidValue(
                f"{visible(self.root)} has no folder such as 'train' in a folder for a class: "
                f"leave {setting('layout')} out"
            )
        training, testing = _of(roles, "train"), _of(roles, "test") or _of(roles, "val")
        result, at = FolderSplits({}, base), len(base)
        unused = set[str]()
        for parts in self.folders:
            name = parts[at + 1] if parts[:at] == base and len(parts) > at + 1 else ""
            if name in training or name in testing:
                held_out = (name in testing) if testing else None
                result.places[parts] = Place(held_out, (parts[at], *parts[at + 2 :]))
            else:
                result.places[parts] = None
                unused.add(name or "/".join(parts) or ".")
        result.left_out = _left_out(sorted(unused))
        text = f"in each class, {_where(training, testing)}"
        again = with_remedy(f"{text}; to split them anew, add", "layout", "classes")
        result.notes = [text if asked else again]
        return result

    def _refuse_several(self, names: set[str], roles: dict[str, SplitName]) -> None:
        for role in ("test", "val"):
            found = _of(roles, role)
            if len(found) > 1 and PLAIN.issuperset(map(str.lower, found)):
                raise InvalidValue(
                    f"{visible(self.root)} has the folders {', '.join(sorted(names))}: gtk uses "
                    f"one for training and one for testing, so move {found[-1]!r} elsewhere"
                )

    def _passed(self, base: Parts, splits: list[str]) -> set[str]:
        """Return the splits whose only folder is not a class: train/train/cat, train/images/cat."""
        passed = set()
        for split in splits:
            inside = self.children((*base, split))
            others = {*splits} - {split}
            if len(inside) == 1 and (*base, split) not in self.folders:
                (only,) = inside
                path = (*base, split, only)
                deeper = path not in self.folders
                same = split_name(only) and split_name(only) == split_name(split)
                alone = not any(only in self.children((*base, other)) for other in others)
                if same or (only.lower() in GENERIC and (deeper or alone)):
                    passed.add(split)
        return passed


def _explained(splits: FolderSplits, *, unusual: bool, asked: bool) -> list[str]:
    """Return a note on which folders are splits, unless they have the usual names."""
    groups = splits.training, splits.testing
    names = [*splits.training, *splits.testing]
    if splits.testing and not unusual and all(name.lower() in PLAIN for name in names):
        return []
    paths = (["/".join((*splits.base, name)) for name in group] for group in groups)
    text = _where(*paths)
    if asked:
        return [text]
    return [
        with_remedy(f"{text}, by their names; to read these as classes, add", "layout", "classes")
    ]


def _where(training: list[str], testing: list[str]) -> str:
    tested = f"test images in {listed(testing)}" if testing else "a tenth of them for testing"
    return f"training images are in {listed(training)}, {tested}"


def _lettered(roles: dict[str, SplitName]) -> bool:
    """Return whether these are trainA, trainB, testA and testB: splits of several domains."""
    rests = {name: found.rest for name, found in roles.items()}
    return (
        len({*rests.values()}) > 1
        and all(len(rest) == 1 and len(rest[0]) == 1 for rest in rests.values())
        and len({(found.role, found.rest) for found in roles.values()}) == len(roles)
        and bool(_of(roles, "train") and _of(roles, "test", "val"))
    )


def _have_classes(roles: dict[str, SplitName]) -> bool:
    """Return whether names tell splits and classes: cats_train, dogs_train, cats_test, ..."""
    training = {found.rest for found in roles.values() if found.role == "train"}
    return len(training) > 1 and {found.rest for found in roles.values()} <= training - {()}


def _left_out(names: list[str]) -> str:
    if not names:
        return ""
    return f"images in {listed(names)} are not used, neither for training nor for testing"
