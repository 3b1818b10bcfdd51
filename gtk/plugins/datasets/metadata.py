"""metadata.csv: a user's values for the images of a folder."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path, PurePosixPath

from gtk.core.values.condition import Kind
from gtk.core.values.errors import InvalidValue
from gtk.core.values.text import visible
from gtk.plugins.datasets.labels import Value

FILE_NAME = "file_name"
MOST_BYTES = 64 * 2**20
#: The largest float32, the type of labels.
LARGEST = 3.4028234e38
#: A number as people write it, without the "1_000" and "nan" that Python accepts.
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
NO_NUMBER = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """One line: its file, and its other cells."""

    line: int
    file_name: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A metadata.csv: the names of its columns without file_name, and its lines."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Meaning:
    """The meaning of the cells: a kind of condition, its columns, and a value for every row."""

    kind: Kind
    columns: tuple[str, ...]
    values: tuple[tuple[Value, ...], ...]


def read_table(path: Path) -> Table:
    """Read a metadata.csv.

    Raises:
        InvalidValue: it cannot be read, or is not a table of files; the message names the line.
    """
    rows = _cells(path, _text(path))
    line, header = next(rows, (1, []))
    if FILE_NAME not in header:
        raise _wrong(
            path, line, f"the column {FILE_NAME!r} is missing: name the columns in this line"
        )
    if len(header) < 2:
        raise _wrong(
            path, line, f"{FILE_NAME!r} is the only column: add one with labels, or remove the file"
        )
    for name in header:
        if not name or header.count(name) > 1:
            what = f"column {name!r} occurs twice" if name else "a column lacks a name"
            raise _wrong(path, line, what)
    place = header.index(FILE_NAME)
    table, seen = [], dict[str, int]()
    for line, cells in rows:
        if len(cells) != len(header):
            raise _wrong(path, line, f"the line has {len(cells)} cells instead of {len(header)}")
        for name, cell in zip(header, cells, strict=True):
            if not cell:
                raise _wrong(path, line, f"{name} is empty")
        file_name = _file_name(path, line, cells[place])
        if file_name in seen:
            raise _wrong(path, line, f"{file_name} is in line {seen[file_name]}, too")
        seen[file_name] = line
        table.append(Row(line, file_name, (*cells[:place], *cells[place + 1 :])))
    if not table:
        raise _wrong(path, line, "the table has no lines below the header: add one for each image")
    return Table(path, tuple(name for name in header if name != FILE_NAME), tuple(table))


def interpret(tables: Sequence[Table]) -> Meaning:
    """Decide whether the columns of all tables are classes, attributes or numbers.

    Raises:
        InvalidValue: the tables differ in their columns, or mix names and numbers.
    """
    columns = tables[0].columns
    for table in tables[1:]:
        if table.columns != columns:
            raise _wrong(
                table.path, 1, f"the columns differ from those of {visible(tables[0].path)}"
            )
    one = len(columns) == 1
    rows = [(table.path, row) for table in tables for row in table.rows]
    if one and any(not _numeric(row.cells[0]) for _, row in rows):
        return Meaning(
            "classes", columns, tuple(tuple(row.cells[0] for row in t.rows) for t in tables)
        )
    for path, row in rows:
        for name, cell in zip(columns, row.cells, strict=True):
            if NO_NUMBER.fullmatch(cell) or (_numeric(cell) and abs(float(cell)) > LARGEST):
                raise _wrong(path, row.line, f"{name} is {cell!r}, which is not a finite number")
            if not NUMBER.fullmatch(cell):
                raise _wrong(
                    path,
                    row.line,
                    f"{name} is {cell!r}, which is not a number: write numbers into "
                    "several columns, or names of classes into a single one",
                )
    values = tuple(tuple(tuple(map(float, row.cells)) for row in t.rows) for t in tables)
    binary = all(number in (0, 1) for table in values for row in table for number in row)
    return Meaning("attributes" if binary else "continuous", columns, values)


def _numeric(cell: str) -> bool:
    return bool(NUMBER.fullmatch(cell) or NO_NUMBER.fullmatch(cell))


def _text(path: Path) -> str:
    """Return the text of the file."""
    try:
        if not path.is_file():
            raise InvalidValue(f"{visible(path)} is not a file")
        if path.stat().st_size > MOST_BYTES:
            raise InvalidValue(f"{visible(path)} is larger than {MOST_BYTES >> 20} MiB")
        content = path.read_bytes()
    except OSError as error:
        raise InvalidValue(f"{visible(path)} cannot be read: {error.strerror}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _wrong(path, line, "the text is not valid UTF-8: save it as UTF-8") from error
    if "\0" in text:
        raise _wrong(
            path, text[: text.index("\0")].count("\n") + 1, "the line has a NUL byte: remove it"
        )
    return text


def _cells(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield number and stripped cells of each line that is not empty."""
    reader = csv.reader(StringIO(text, newline=""), strict=True, skipinitialspace=True)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _wrong(path, line, f"the line is not valid CSV ({error})") from error
        if cells:
            yield line, [cell.strip() for cell in cells]
        line = reader.line_num + 1


def _file_name(path: Path, line: int, cell: str) -> str:
    """Return a file's name in the form of a `Listing`."""
    name = PurePosixPath(cell)
    if name.is_absolute() or ".." in name.parts:
        raise _wrong(path, line, f"{cell!r} leads out of the folder: give a path inside")
    return str(name)


def _wrong(path: Path, line: int, what: str) -> InvalidValue:
    return InvalidValue(f"{visible(path)}, line {line}: {what}")
