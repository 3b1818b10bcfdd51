"""metadata.csv: a user's table of values for the images of a folder."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path, PurePosixPath

from gtk.core.values.errors import InvalidValue
from gtk.core.values.named_numbers import MOST_NAMES
from gtk.core.values.text import counted, visible
from gtk.plugins.datasets.split_name import squeezed_name

FILE_NAME = "file_name"
MOST_BYTES = 64 * 2**20
MOST_COLUMNS = 1 + MOST_NAMES
#: The most characters of a cell that a message shows.
LONGEST_SHOWN = 80
#: Other names of the column of files, in the order of preference, without case and signs.
FILE_COLUMNS = (
    "filename", "filepath", "file", "imagefilename", "imagefile", "imagename", "imagepath",
    "image", "img", "imgname", "imgpath", "path", "imageid", "id",
)  # fmt: skip
#: What separates columns: a comma, or what spreadsheets and databases write instead.
DELIMITERS = ",;\t|"
#: The first column of a table that pandas has written with its index.
INDEX = re.compile(r"(Unnamed: ?[0-9]+)?")
#: A number with a comma, as spreadsheets write it where they separate columns by semicolons.
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)


@dataclass(frozen=True)
class Row:
    """One line of the table: its number, its file and its other cells."""

    line: int
    file_name: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table of labels: its columns besides that of files, and its lines.

    Attributes:
        path: the file.
        columns: names of the columns.
        rows: the lines, in order.
        unit: what `Row.line` counts.
        condition: the choice of columns that the format implies, as `choose_labels` takes it.
        unread: columns that hold something else than one value a cell; their cells are empty.
        texts: columns of strings, even if these look like numbers, where the format tells.
        notes: for the user.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    unit: str = "line"
    condition: str = ""
    unread: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def wrong(self, row: Row, what: str) -> InvalidValue:
        """Return the error for what is wrong in a line."""
        return wrong(self.path, row.line, what, self.unit)


def read_table(path: Path) -> Table:
    """Read a metadata.csv.

    Raises:
        InvalidValue: it cannot be read, or is not a table of files; the message names the line.
    """
    delimiter, text = _delimiter(read_text(path))
    rows = _cells(path, text, delimiter)
    line, header = next(rows, (1, []))
    place, kept = _columns(path, line, header)
    table: dict[str, Row] = {}
    for line, cells in rows:
        if not any(cells):  # spreadsheets write lines of separators only
            continue
        if len(cells) != len(header):
            found = counted(len(cells), "cell")
            what = f"the line has {found} for {len(header)} columns: give one for each"
            what += f", in quotes if it has {delimiter!r}" if len(cells) > len(header) else ""
            raise wrong(path, line, what)
        if not cells[place]:
            raise wrong(path, line, f"{named(header[place])} is empty: write a value")
        values = (cells[at] for at in kept)
        if delimiter == ";":
            values = (_with_point(cell) for cell in values)
        add_row(table, path, Row(line, file_name(path, line, cells[place]), tuple(values)))
    if not table:
        raise wrong(path, line, "the table has no lines below the header: add one for each image")
    unnamed = len(kept) < len(header) - 1
    notes = (f"the first column of {path.name} has no name and is not used",) if unnamed else ()
    columns = tuple(header[at] for at in kept)
    return Table(path, columns, tuple(table.values()), notes=notes)


def _columns(path: Path, line: int, header: list[str]) -> tuple[int, list[int]]:
    """Return the place of the column of files, and those of the columns of values.

    An index, as pandas writes it, is neither.

    Raises:
        InvalidValue: the header lacks one of these, has too many, or a name twice.
    """
    place = find_file_column(header)
    if place is None:
        what = f"the column {FILE_NAME!r} is missing: name the columns in this line"
        raise wrong(path, line, what)
    if len(header) < 2:
        what = f"{header[place]!r} is the only column: add one with labels, or remove the file"
        raise wrong(path, line, what)
    if len(header) > MOST_COLUMNS:
        raise wrong(path, line, f"there are more than {MOST_COLUMNS:,} columns: leave some out")
    index = place > 0 and len(header) > 2 and INDEX.fullmatch(header[0]) is not None
    kept = [at for at in range(index, len(header)) if at != place]
    columns = [header[at] for at in kept]
    if "" in columns:
        raise wrong(path, line, "a column has no name: name it")
    if len(set(columns)) < len(columns):
        name = next(name for name in columns if columns.count(name) > 1)
        raise wrong(path, line, f"column {shown(name)} occurs twice: rename one")
    return place, kept


def find_file_column(header: Sequence[str]) -> int | None:
    """Return which column names the files: file_name, else a name that other programs write."""
    if FILE_NAME in header:
        return header.index(FILE_NAME)
    squeezed = [squeezed_name(name[:LONGEST_SHOWN]) for name in header]
    found = (squeezed.index(name) for name in FILE_COLUMNS if name in squeezed)
    return next(found, None)


def add_row(table: dict[str, Row], path: Path, row: Row, unit: str = "line") -> None:
    """Add a line to those of a table, by the names of their files; refuse a second one."""
    if row.file_name in table:
        before = f"{named(row.file_name)} is in {unit} {table[row.file_name].line}, too"
        raise wrong(path, row.line, f"{before}: remove one of the {unit}s", unit)
    table[row.file_name] = row


def _with_point(cell: str) -> str:
    return cell.replace(",", ".") if DECIMAL_COMMA.fullmatch(cell) else cell


def _delimiter(text: str) -> tuple[str, str]:
    """Return what separates the columns, and the text of the table.

    It is what Excel's line "sep=;" names, else the first that makes the first line name files.
    """
    if text[:4].lower() == "sep=" and text[5:6] in "\r\n":
        return text[4:5] or ",", text[5:]
    start = text.lstrip("\r\n")[: MOST_COLUMNS * LONGEST_SHOWN]
    first = start.splitlines()[0] if start else ""
    for delimiter in DELIMITERS:
        names = [name.strip().strip('"') for name in first.split(delimiter)]
        if len(names) > 1 and find_file_column(names) is not None:
            return delimiter, text
    return ",", text


def read_text(path: Path) -> str:
    """Return the text of a table.

    Raises:
        InvalidValue: it cannot be read, is too large, or is not UTF-8.
    """
    try:
        if not path.is_file():
            raise InvalidValue(
                f"{visible(path)} is not a file: write a table of labels, or remove it"
            )
        if path.stat().st_size > MOST_BYTES:
            raise InvalidValue(
                f"{visible(path)} is larger than {MOST_BYTES >> 20} MiB: leave columns or lines out"
            )
        content = path.read_bytes()
    except OSError as error:
        raise InvalidValue(f"{visible(path)} cannot be read: {error.strerror}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise wrong(path, line, "the text is not valid UTF-8: save it as UTF-8") from error
    if "\0" in text:
        raise wrong(
            path, text[: text.index("\0")].count("\n") + 1, "the line has a NUL byte: remove it"
        )
    return text


def _cells(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the stripped cells of each line that is not empty."""
    lines = StringIO(text, newline="")
    reader = csv.reader(lines, strict=True, skipinitialspace=True, delimiter=delimiter)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise wrong(path, line, f"the line is not valid CSV ({error})") from error
        if cells:
            yield line, [cell.strip() for cell in cells]
        line = reader.line_num + 1


def file_name(path: Path, line: int, cell: str, unit: str = "line") -> str:
    """Return the path of a file as a table writes it, normalized."""
    name = PurePosixPath(cell)
    if ".." in name.parts:
        raise leads_out(path, line, cell, unit)
    return str(name)


def leads_out(path: Path, line: int, cell: str, unit: str = "line") -> InvalidValue:
    """Return the error for a path out of the folder."""
    return wrong(path, line, f"{shown(cell)} leads out of the folder: give a path inside", unit)


def named(text: str) -> str:
    """Return a name as a message shows it."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def shown(text: str) -> str:
    """Return a cell in quotes as a message shows it."""
    return repr(named(text))


def wrong(path: Path, line: int, what: str, unit: str = "line") -> InvalidValue:
    """Return the error for what is wrong in a line of a table."""
    return InvalidValue(f"{visible(path)}, {unit} {line}: {what}")
