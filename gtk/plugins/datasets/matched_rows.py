"""The lines of a table of labels and the images that they mean."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gtk.core.values.text import visible
from gtk.plugins.datasets.listing import on_disk
from gtk.plugins.datasets.metadata import Row, Table, leads_out, named
from gtk.plugins.datasets.table_paths import TablePaths

#: The reason of an image that a table of labels does not have.
NO_LINE = "has no line in"
#: Reasons of lines without an image.
ANOTHER_SUFFIX = "but the folder has it under another suffix"
NOT_THERE = "but not in the folder"
NO_IMAGE = "and its name does not end as that of an image"


@dataclass
class MatchedRows:
    """The lines of tables by the name of their image.

    Attributes:
        rows: by name.
        bad: reasons by name of a file that a line names and that is not an image of the folder.
        notes: for the user.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    bad: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, root: Path, images: Sequence[str], folder: str, table: Table) -> None:
        """Add the lines of a table.

        Args:
            root: the folder of all images.
            images: their names.
            folder: the table's own, "" for `root`.
            table: what was read from it.

        Raises:
            InvalidValue: two lines mean one image, or a path leads out of the folder.
        """
        prefix = f"{folder}/" if folder else ""
        inside = {name.removeprefix(prefix) for name in images if name.startswith(prefix)}
        paths = TablePaths(inside, [row.file_name for row in table.rows])
        if paths.prefix:
            start = f"paths in {table.path.name} begin with {visible(paths.prefix)!r}"
            self.notes.append(f"{start}, which is taken for its folder")
        for row in table.rows:
            found = paths.find(row.file_name)
            name = f"{prefix}{found or row.file_name}"
            if name in self.rows:
                before = f"{named(name)} is in {table.unit} {self.rows[name].line}, too"
                raise table.wrong(row, f"{before}: remove one of the {table.unit}s")
            if found:
                self.rows[name] = row
            elif TablePaths.is_absolute(row.file_name):
                raise leads_out(table.path, row.line, row.file_name, table.unit)
            else:
                named_otherwise = paths.under_another_suffix(row.file_name)
                self.bad[name] = _absence(root, name, table, row, named_otherwise)


def _absence(root: Path, name: str, table: Table, row: Row, other: str | None) -> str:
    """Return why a line's file is not among the images, though perhaps an `other` one is."""
    where = f"is in {table.unit} {row.line} of {visible(table.path.relative_to(root))}"
    if os.path.isfile(on_disk(root, name)):  # noqa: PTH113 - Path.is_file raises where a name is too long
        return f"{where}, {NO_IMAGE}"
    if other:
        return f"{where}, {ANOTHER_SUFFIX}, {visible(other)!r}"
    return f"{where}, {NOT_THERE}"
