"""Files of labels beside images: metadata.csv, metadata.jsonl and dataset.json, as tables."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gtk.core.settings.json_file import decode_json
from gtk.core.values.errors import InvalidValue
from gtk.core.values.text import visible
from gtk.plugins.datasets.metadata import (
    FILE_NAME,
    MOST_COLUMNS,
    Row,
    Table,
    add_row,
    file_name,
    find_file_column,
    read_table,
    read_text,
    shown,
    wrong,
)

#: The column of StyleGAN's labels, and the names of the numbers of one that is a vector.
LABEL = "label"
#: The most cells of a table, some of which its text may leave out.
MOST_CELLS = 2**25


class Unreadable(InvalidValue):
    """A file that is of another program, and is none of those that gtk reads."""


def read_label_file(path: Path) -> Table:
    """Read a file of labels; its name decides the format.

    Raises:
        InvalidValue: it cannot be read, or a line of it is wrong.
        Unreadable: a dataset.json that is not StyleGAN's, or a metadata.jsonl that names no files.
    """
    if path.name.endswith(".jsonl"):
        return _read_lines(path)
    return _read_stylegan(path) if path.name.endswith(".json") else read_table(path)


def _read_lines(path: Path) -> Table:
    """Read Hugging Face's metadata.jsonl: an object a line, with file_name and other entries."""
    objects = list(_objects(path))
    columns = list(dict.fromkeys(name for _, entry in objects for name in entry))
    place = find_file_column(columns)
    if place is None:
        raise Unreadable(f"{path.name} is not read, since it has no entries {FILE_NAME!r}")
    if len(columns) > MOST_COLUMNS or len(columns) * len(objects) > MOST_CELLS:
        raise InvalidValue(f"{visible(path)} has too many different entries: leave some out")
    files = columns.pop(place)
    unread = {
        name for _, entry in objects for name, value in entry.items()
        if isinstance(value, dict | list)
    }  # fmt: skip
    table: dict[str, Row] = {}
    for line, entry in objects:
        written = entry.get(files)
        if not isinstance(written, str | int) or not str(written).strip():
            raise wrong(path, line, f"{files} is {shown(repr(written))}: give the name of a file")
        name = file_name(path, line, str(written).strip())
        add_row(table, path, Row(line, name, tuple(_cell(entry.get(name)) for name in columns)))
    texts = {
        name for name in columns if all(isinstance(entry.get(name), str) for _, entry in objects)
    }
    rows = tuple(table.values())
    return Table(path, tuple(columns), rows, unread=frozenset(unread), texts=frozenset(texts))


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number and the object of each line that is not empty."""
    for line, text in enumerate(read_text(path).split("\n"), 1):
        if text.strip():
            try:
                yield line, _decoded(text)
            except InvalidValue as error:
                what = f"the line is not a JSON object ({error}): write one object a line"
                raise wrong(path, line, what) from error


def _read_stylegan(path: Path) -> Table:
    """Read StyleGAN's dataset.json: {"labels": [["00000/img0.png", 6], ...]}, vectors or null."""
    try:
        document = _decoded(read_text(path))
    except InvalidValue as error:
        raise Unreadable(f"{visible(path.name)} is not read, since it is not JSON") from error
    labels = document.get("labels", ())
    if labels is None:
        return Table(path, (), ())
    if not isinstance(labels, list) or not labels:
        raise Unreadable(f"{visible(path.name)} is not read, since it has no list 'labels'")
    table: dict[str, Row] = {}
    widths = set()
    for line, pair in enumerate(labels, 1):
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and pair[0]):
            raise wrong(
                path, line, "a label is not a pair [file, label]: write such pairs", "label"
            )
        numbers = pair[1] if isinstance(pair[1], list) else [pair[1]]
        if not all(isinstance(number, int | float | str) for number in numbers) or not numbers:
            what = f"{shown(repr(pair[1]))} is not a number or a list of numbers"
            raise wrong(path, line, what, "label")
        widths.add((isinstance(pair[1], list), len(numbers)))
        if len(widths) > 1:
            raise wrong(path, line, "the label has another length than those before", "label")
        name = file_name(path, line, pair[0], "label")
        add_row(table, path, Row(line, name, tuple(map(_cell, numbers))), "label")
    ((vector, width),) = widths
    if width > MOST_COLUMNS:
        raise InvalidValue(f"{visible(path)} has more than {MOST_COLUMNS:,} numbers a label")
    columns = tuple(f"{LABEL}-{at}" for at in range(width)) if vector else (LABEL,)
    whole = not vector and all(isinstance(pair[1], int) for pair in labels)
    return Table(path, columns, tuple(table.values()), "label", f"{LABEL}:classes" if whole else "")


def _decoded(text: str) -> dict[str, Any]:
    """Return a JSON object; refuse half a character, which no other file could hold."""
    found = decode_json(text.encode(), dict[str, Any])
    try:
        if "\\ud" in text.lower():
            json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise InvalidValue("a string in it is not valid Unicode") from error
    return found


def _cell(value: object) -> str:
    """Return a value as a table has it: true and false are 1 and 0; "" for none and for lists."""
    if value is None or isinstance(value, dict | list):
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return value.strip() if isinstance(value, str) else repr(value)
