"""The images in a folder, found by names and types of files, without opening them."""

import errno
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from gtk.core.values.errors import InvalidValue
from gtk.core.values.text import as_utf8, visible
from gtk.plugins.datasets.decoding import image_suffixes, kind_of, missing_reader

#: Files of labels that gtk reads, in the order of preference.
LABEL_FILES = ("metadata.csv", "metadata.jsonl", "dataset.json")
#: Suffixes of other files that may hold labels, captions or annotations.
DOCUMENTS = frozenset({
    ".csv", ".tsv", ".json", ".jsonl", ".xml", ".parquet", ".xlsx", ".xls", ".mat",
    ".caption", ".txt",
})  # fmt: skip
#: Files of operating systems, besides all names that start with a dot.
SYSTEM_FILES = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
#: Suffixes of other files that a note names.
MOST_SUFFIXES = 10
#: Reasons of links that are followed if the user asks for it.
OUTSIDE = "is a link that leads out of the folder"
TO_FOLDER = "is a link to a folder, which is not followed"
FOLLOWABLE = (OUTSIDE, TO_FOLDER)


@dataclass
class Listing:
    """The content of a folder; names are relative to it, with "/", in alphabetical order.

    They are UTF-8 whatever the locale; `on_disk` returns their paths.

    Attributes:
        images: files with the suffix of an image.
        folders: the folders directly in it, with or without images.
        bad: reasons by name of an image or folder that is not opened.
        others: the number of other files by their suffix, "" for those without one.
        repeated: links to folders that are read already, or that lead back.
        tables: files of labels that gtk reads, by their names.
        documents: others of the `others` that may hold labels, captions or annotations.
    """

    images: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)
    repeated: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)

    @property
    def top_folders(self) -> set[str]:
        """The first part of every image's name: its folder, unless it lies flat."""
        return {name.split("/")[0] for name in self.images}


def list_folder(root: Path, *, follow_links: bool = False) -> Listing:
    """List a folder and all folders in it.

    Links to folders and out of the folder are followed only with `follow_links`; then each folder
    is read once, by its own name rather than by a link to it.

    Raises:
        InvalidValue: it is missing, is not a folder, or cannot be read.
    """
    try:
        if not root.is_dir():
            what = "is a file" if root.exists() else "does not exist"
            raise InvalidValue(f"{visible(root)} {what}: give a folder with images")
    except OSError as error:
        raise InvalidValue(f"{visible(root)} cannot be read: {error.strerror}") from error
    listing, inside = Listing(), os.path.realpath(root)
    pending, links, seen = [""], list[str](), set[str]()
    while pending or links:
        links.sort(reverse=True)  # after all folders, and in alphabetical order
        folder = pending.pop() if pending else links.pop()
        if follow_links:
            real = os.path.realpath(root / folder)
            if real in seen or (folder and _inside(inside, real)):
                listing.repeated.append(as_utf8(folder))
                continue
            seen.add(real)
        for entry in _entries(listing, root, folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if _is_to_read(listing, entry, root / path, as_utf8(path), inside, follow_links):
                (links if entry.is_symlink() else pending).append(path)
                if not folder:
                    listing.folders.append(as_utf8(path))
    for names in (
        listing.images, listing.folders, listing.tables, listing.repeated, listing.documents,
    ):  # fmt: skip
        names.sort()
    return listing


def _entries(listing: Listing, root: Path, folder: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder; one that cannot be read is bad, or an error if it is the root."""
    try:
        with os.scandir(root / folder) as entries:
            found = [entry for entry in entries if not _hidden(entry.name)]
        # A folder that can be listed may still forbid access to its files, which stat of "."
        # reveals; Path would drop the dot.
        os.stat(f"{root / folder}/.")  # noqa: PTH116
    except OSError as error:
        if not folder:
            raise InvalidValue(f"{visible(root)} cannot be read: {error.strerror}") from error
        listing.bad[as_utf8(folder)] = f"cannot be read ({error.strerror})"
        return []
    return found


def _is_to_read(
    listing: Listing,
    entry: os.DirEntry[str],
    path: Path,
    name: str,
    inside: str,
    follow_links: bool,
) -> bool:
    """Return whether an entry is a folder to read; anything else is taken into the listing.

    Args:
        listing: takes it in.
        entry: of a folder.
        path: its own.
        name: in the listing.
        inside: the real path of the whole folder.
        follow_links: as in `list_folder`.
    """
    suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - one of many
    is_image = suffix in image_suffixes()
    if not _decodable(name) and (is_image or entry.is_dir(follow_symlinks=False)):
        listing.bad[name] = "has a name that is not valid UTF-8: rename it"
    elif entry.is_symlink() and (
        reason := _misled(path, inside, is_image, follow_links=follow_links)
    ):
        listing.bad[name] = reason
    elif entry.is_dir():
        return True
    elif entry.name in LABEL_FILES:
        listing.tables.append(name)
    elif not is_image:
        listing.others[suffix] += 1
        if _is_document(entry.name):
            listing.documents.append(name)
    elif not entry.is_file():
        listing.bad[name] = f"is {kind_of(path)} instead of a file"
    elif reason := missing_reader(suffix):
        listing.bad[name] = reason  # before images are chosen for testing
    else:
        listing.images.append(name)
    return False


def on_disk(root: Path, name: str) -> Path:
    """Return the path of a name in a `Listing`, as Python spells it in this locale."""
    return root / os.fsdecode(name.encode(errors="surrogateescape"))


def count_by_suffix(others: Counter[str]) -> str:
    """Return numbers of files by suffix in words, the most frequent first: "3 .txt, 1 .csv"."""
    ordered = sorted(others.items(), key=lambda item: (-item[1], not item[0], item[0]))
    named = [f"{count} {visible(suffix) or 'without suffix'}" for suffix, count in ordered]
    more = [f"{len(named) - MOST_SUFFIXES} other kinds"] if len(named) > MOST_SUFFIXES else []
    return ", ".join([*named[:MOST_SUFFIXES], *more])


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in SYSTEM_FILES


def _is_document(name: str) -> bool:
    """Return whether a file may hold labels, captions or annotations.

    A name that is not UTF-8 is not shown.
    """
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - one of many
    return _decodable(name) and suffix in DOCUMENTS


def _decodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _inside(path: str, folder: str) -> bool:
    """Return whether an absolute path is a folder or in it."""
    return (path + os.sep).startswith(folder.rstrip(os.sep) + os.sep)


def _misled(link: Path, inside: str, is_image: bool, *, follow_links: bool) -> str:
    """Return why a link must not be followed, "" if it may: a link to a file inside may.

    A link to a file outside without an image's suffix counts as another file.
    """
    try:
        target = os.path.realpath(link, strict=True)
    except OSError as error:
        circle = error.errno == errno.ELOOP
        return "is a link to itself" if circle else "is a link to a missing file"
    if follow_links:
        return ""
    if not _inside(target, inside):
        relevant = is_image or link.name in LABEL_FILES or os.path.isdir(target)  # noqa: PTH112 - a text
        return OUTSIDE if relevant else ""
    if os.path.isdir(target):  # noqa: PTH112 - a text
        return TO_FOLDER
    return ""
