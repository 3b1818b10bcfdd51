"""The images in a folder, and what else is in it."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from gtk.core.values.text import counted, visible

#: Files of labels that gtk reads, in the order of preference.
LABEL_FILES = ("metadata.csv", "metadata.jsonl", "dataset.json")
#: Suffixes of other files that a note names.
MOST_SUFFIXES = 10


@dataclass
class Listing:
    """The content of a folder; names are relative to it, with "/", in alphabetical order.

    They are UTF-8 whatever the locale; `on_disk` returns their paths.

    Attributes:
        images: files with the suffix of an image, or recognized by their content.
        folders: the folders directly in it, with or without images.
        bad: reasons by name of an image or folder that is not opened.
        recognized: the number of images without such a suffix, by what they hold, and their name.
        others: the number of other files by their suffix, "" for those without one.
        repeated: links to folders that are read already, or that lead back.
        tables: files of labels that gtk reads, by their names.
        documents: others of the `others` that may hold labels, captions or annotations.
    """

    images: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)
    recognized: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    repeated: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)

    @property
    def top_folders(self) -> set[str]:
        """The first part of every image's name: its folder, unless it lies flat."""
        return {name.split("/")[0] for name in self.images}


def on_disk(root: Path, name: str) -> Path:
    """Return the path of a name in a `Listing`, as Python spells it in this locale."""
    return root / os.fsdecode(name.encode(errors="surrogateescape"))


def count_by_suffix(others: Counter[str]) -> str:
    """Return numbers of files by suffix in words, the most frequent first: "3 .txt, 1 .csv"."""
    ordered = sorted(others.items(), key=lambda item: (-item[1], not item[0], item[0]))
    named = [f"{count} {visible(suffix) or 'without suffix'}" for suffix, count in ordered]
    rest = len(named) - MOST_SUFFIXES
    more = [counted(rest, "other kind")] if rest > 0 else []
    return ", ".join([*named[:MOST_SUFFIXES], *more])
