"""metadata.csv: a user's values for the images of a folder."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path, PurePosixPath

from gtk.core.values.condition import Attributes, Classes, ConditionSpec, Numbers
from gtk.core.values.errors import InvalidValue
from gtk.core.values.named_numbers import MOST_NAMES
from gtk.core.values.text import visible

FILE_NAME = "file_name"
MOST_BYTES = 64 * 2**20
MOST_COLUMNS = 1 + MOST_NAMES
#: The most characters of a cell that a message shows.
LONGEST_SHOWN = 80
#: The largest float32, the type of labels.
LARGEST = 3.4028234e38
#: A number as people write it, without the "1_000" and "nan" that Python accepts.
#: Each digit can be matched in one way only: else a long cell would take time quadratic in it.
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """One line of the table: its number, its file and its other cells."""

    line: int
    file_name: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A metadata.csv: its columns besides file_name, and its lines."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


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
    if len(header) > MOST_COLUMNS:
        raise _wrong(path, line, f"there are more than {MOST_COLUMNS:,} columns: leave some out")
    if "" in header:
        raise _wrong(path, line, "a column has no name: name it")
    if len(set(header)) < len(header):
        name = next(name for name in header if header.count(name) > 1)
        raise _wrong(path, line, f"column {_shown(name)} occurs twice: rename one")
    place = header.index(FILE_NAME)
    table: dict[str, Row] = {}
    for line, cells in rows:
        if len(cells) != len(header):
            what = f"the line has {len(cells)} cells for {len(header)} columns: give one for each"
            raise _wrong(path, line, what)
        if "" in cells:
            raise _wrong(path, line, f"{_named(header[cells.index('')])} is empty: write a value")
        file_name = _file_name(path, line, cells[place])
        if file_name in table:
            before = f"{_named(file_name)} is in line {table[file_name].line}, too"
            what = f"{before}: remove one of the lines"
            raise _wrong(path, line, what)
        table[file_name] = Row(line, file_name, (*cells[:place], *cells[place + 1 :]))
    if not table:
        raise _wrong(path, line, "the table has no lines below the header: add one for each image")
    columns = tuple(name for name in header if name != FILE_NAME)
    return Table(path, columns, tuple(table.values()))


def kind_of(tables: Sequence[Table]) -> type[ConditionSpec]:
    """Return whether the columns of all tables are `Classes`, `Attributes` or `Numbers`.

    Raises:
        InvalidValue: the tables differ in their columns, or mix names and numbers.
    """
    columns = tables[0].columns
    for table in tables[1:]:
        if table.columns != columns:
            raise _wrong(
                table.path, 1, f"the columns differ from those of {visible(tables[0].path)}"
            )
    rows = [(table.path, row) for table in tables for row in table.rows]
    if len(columns) == 1 and any(not _numeric(row.cells[0]) for _, row in rows):
        return Classes
    for path, row in rows:
        for name, cell in zip(columns, row.cells, strict=True):
            if NOT_FINITE.fullmatch(cell) or (_numeric(cell) and abs(float(cell)) > LARGEST):
                what = f"{_named(name)} is {_shown(cell)}: write a finite float32 number"
                raise _wrong(path, row.line, what)
            if not NUMBER.fullmatch(cell):
                raise _wrong(
                    path,
                    row.line,
                    f"{_named(name)} is {_shown(cell)}, which is not a number: write numbers into "
                    "several columns, or names of classes into a single one",
                )
    binary = all(float(cell) in (0, 1) for _, row in rows for cell in row.cells)
    return Attributes if binary else Numbers


def _numeric(cell: str) -> bool:
    return bool(NUMBER.fullmatch(cell) or NOT_FINITE.fullmatch(cell))


def _text(path: Path) -> str:
    """Return the text of the file."""
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
        raise _wrong(path, line, "the text is not valid UTF-8: save it as UTF-8") from error
    if "\0" in text:
        raise _wrong(
            path, text[: text.index("\0")].count("\n") + 1, "the line has a NUL byte: remove it"
        )
    return text


def _cells(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the stripped cells of each line that is not empty."""
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
    """Return a file's name as in a `Listing`."""
    name = PurePosixPath(cell)
    if name.is_absolute() or ".." in name.parts:
        raise _wrong(path, line, f"{_shown(cell)} leads out of the folder: give a path inside")
    return str(name)


def _named(text: str) -> str:
    """Return a name as a message shows it."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _shown(text: str) -> str:
    """Return a cell in quotes as a message shows it."""
    return repr(_named(text))


def _wrong(path: Path, line: int, what: str) -> InvalidValue:
    return InvalidValue(f"{visible(path)}, line {line}: {what}")
