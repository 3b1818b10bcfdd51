"""A walk through a folder of images; only files whose names say nothing are opened."""

import errno
import os
from pathlib import Path

from gtk.core.values.errors import InvalidValue
from gtk.core.values.text import as_utf8, visible
from gtk.plugins.datasets import dicom
from gtk.plugins.datasets.decoding import image_suffixes, kind_of, missing_reader
from gtk.plugins.datasets.listing import LABEL_FILES, Listing
from gtk.plugins.datasets.signature import content_suffix

#: Suffixes of files that may hold labels, captions or annotations.
DOCUMENTS = frozenset({
    ".csv", ".tsv", ".json", ".jsonl", ".xml", ".parquet", ".xlsx", ".xls", ".mat",
    ".caption", ".txt",
})  # fmt: skip
#: Files of operating systems, besides all names that start with a dot.
SYSTEM_FILES = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
#: Reasons of links that are followed if the user asks for it.
OUTSIDE = "is a link that leads out of the folder"
TO_FOLDER = "is a link to a folder, which is not followed"
FOLLOWABLE = (OUTSIDE, TO_FOLDER)
NOT_UTF8 = "has a name that is not valid UTF-8: rename it"


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
    listing = _Walk(root, follow_links=follow_links).finish()
    for names in (
        listing.images, listing.folders, listing.tables, listing.repeated, listing.documents,
    ):  # fmt: skip
        names.sort()
    return listing


class _Walk:
    """The folders that are still to read, and what was found so far."""

    def __init__(self, root: Path, *, follow_links: bool) -> None:
        self._listing = Listing()
        self._root = root
        self._inside = os.path.realpath(root)
        self._follow_links = follow_links
        self._pending, self._links = [""], list[str]()
        self._seen = set[str]()

    def finish(self) -> Listing:
        """Read all folders."""
        while self._pending or self._links:
            self._links.sort(reverse=True)  # after all folders, and in alphabetical order
            folder = self._pending.pop() if self._pending else self._links.pop()
            if not self._is_repeated(folder):
                for entry in self._entries(folder):
                    self._take(entry, f"{folder}/{entry.name}" if folder else entry.name)
        return self._listing

    def _is_repeated(self, folder: str) -> bool:
        """Return whether a folder was read before, which only links can cause."""
        if not self._follow_links:
            return False
        real = os.path.realpath(self._root / folder)
        if real in self._seen or (folder and _is_in(self._inside, real)):
            self._listing.repeated.append(as_utf8(folder))
            return True
        self._seen.add(real)
        return False

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        """Return what is in a folder; one that cannot be read is bad, or an error if the root."""
        try:
            with os.scandir(self._root / folder) as entries:
                found = [entry for entry in entries if not _is_hidden(entry.name)]
            # A folder that can be listed may still forbid access to its files, which stat of "."
            # reveals; Path would drop the dot.
            os.stat(f"{self._root / folder}/.")  # noqa: PTH116
        except OSError as error:
            if not folder:
                raise InvalidValue(
                    f"{visible(self._root)} cannot be read: {error.strerror}"
                ) from error
            self._listing.bad[as_utf8(folder)] = f"cannot be read ({error.strerror})"
            return []
        return found

    def _take(self, entry: os.DirEntry[str], path: str) -> None:
        """Take an entry of a folder into the listing; a folder is read later."""
        listing, name, suffix = self._listing, as_utf8(path), _suffix(entry.name)
        is_image = suffix in image_suffixes()
        if not _is_utf8(name) and (is_image or entry.is_dir(follow_symlinks=False)):
            listing.bad[name] = NOT_UTF8
        elif entry.is_symlink() and (reason := self._misled(entry, is_image=is_image)):
            listing.bad[name] = reason
        elif entry.is_dir():
            (self._links if entry.is_symlink() else self._pending).append(path)
            if "/" not in path:
                listing.folders.append(name)
        elif entry.name in LABEL_FILES:
            listing.tables.append(name)
        elif not is_image:
            self._take_other(entry, name)
        elif not entry.is_file():
            listing.bad[name] = f"is {kind_of(Path(entry.path))} instead of a file"
        else:
            self._take_image(name, suffix)

    def _take_image(self, name: str, suffix: str) -> None:
        """Take a file whose name or content is an image's: `suffix` is the usual one."""
        if not _is_utf8(name):
            self._listing.bad[name] = NOT_UTF8
        elif reason := missing_reader(suffix):
            self._listing.bad[name] = reason  # before images are chosen for testing
        else:
            self._listing.images.append(name)

    def _take_other(self, entry: os.DirEntry[str], name: str) -> None:
        """Take a file without the suffix of an image, which may be one by its content.

        "IM000001" and "1.2.840.55" are; "x.jpg_original" is rather a copy, unless it is DICOM.
        """
        listing, suffix = self._listing, _suffix(entry.name)
        if suffix in DOCUMENTS:
            listing.others[suffix] += 1
            if _is_utf8(name):  # a name that is not is not shown
                listing.documents.append(name)
            return
        found = content_suffix(Path(entry.path)) if self._may_open(entry) else ""
        unnamed = not suffix or suffix[1:].isdigit()
        what = f"{found[1:].upper()} {'without suffix' if unnamed else f'named {suffix}'}"
        if found in image_suffixes() and (unnamed or found in dicom.SUFFIXES):
            self._take_image(name, found)
            if name not in listing.bad:
                listing.recognized[what] += 1
        else:  # cameras' raw files begin as TIFF, which would be their thumbnail
            listing.others[what if found and found != ".tiff" else suffix] += 1

    def _may_open(self, entry: os.DirEntry[str]) -> bool:
        """Return whether an entry is a file, and in the folder, or a link that is followed."""
        if not entry.is_file():
            return False
        if self._follow_links or not entry.is_symlink():
            return True
        return _is_in(os.path.realpath(entry.path), self._inside)

    def _misled(self, link: os.DirEntry[str], *, is_image: bool) -> str:
        """Return why a link must not be followed, "" if it may: a link to a file inside may.

        A link to a file outside without an image's suffix counts as another file.
        """
        try:
            target = os.path.realpath(link.path, strict=True)
        except OSError as error:
            circle = error.errno == errno.ELOOP
            return "is a link to itself" if circle else "is a link to a missing file"
        if self._follow_links:
            return ""
        is_folder = os.path.isdir(target)  # noqa: PTH112 - a text
        if not _is_in(target, self._inside):
            return OUTSIDE if is_image or link.name in LABEL_FILES or is_folder else ""
        return TO_FOLDER if is_folder else ""


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - one of many


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in SYSTEM_FILES


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_in(path: str, folder: str) -> bool:
    """Return whether an absolute path is a folder or in it."""
    return (path + os.sep).startswith(folder.rstrip(os.sep) + os.sep)
