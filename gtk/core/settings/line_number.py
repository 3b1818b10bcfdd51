"""The line of a TOML or JSON text on which a table or a key stands."""

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

#: What ends a TOML statement, or may hide its end: strings, comments, brackets and ends of lines.
TOKEN = re.compile(
    r'"""(?:[^"\\]++|\\.|"(?!""))*+"{3,5}'
    r"|'''(?:[^']++|'(?!''))*+'{3,5}"
    r'|"(?:[^"\\]++|\\.)*+"'
    r"|'[^']*+'"
    r"|\#[^\n]*+"
    r"|[\[\]{}\n]",
    re.DOTALL,
)


def line_in_toml(text: str, keys: tuple[str, ...]) -> int | None:
    """Return the number of the line on which a table or a key of a valid TOML text begins.

    Every statement is read by tomllib on its own, so the time grows with the length of the text.
    """
    header: tuple[str, ...] = ()
    for line, statement in _statements(text):
        named = "\\" in statement or any(key in statement for key in keys)
        if statement.startswith("["):
            header = _path(tomllib.loads(statement)) if named else ("",)
            if header[: len(keys)] == keys:
                return line
        elif named and header == keys[: len(header)]:
            found: Any = tomllib.loads(statement)
            for key in keys[len(header) :]:
                found = found.get(key) if isinstance(found, dict) else None
            if found is not None:
                return line
    return None


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each header and each key with its value, and the number of its first line."""
    line, start, depth = 1, 0, 0
    for token in TOKEN.finditer(f"{text}\n"):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
        elif token[0] == "\n" and depth == 0:
            whole = text[start : token.start()]
            statement = whole.strip()
            if statement and not statement.startswith("#"):
                yield line, statement
            line, start = line + whole.count("\n") + 1, token.end()


def _path(table: Any) -> tuple[str, ...]:  # noqa: ANN401 - whatever tomllib returns
    """Return the keys of the only table in a parsed header, [a.b] or [[a.b]]."""
    keys = []
    while table:
        table = table[0] if isinstance(table, list) else table
        if table:
            key, table = next(iter(table.items()))
            keys.append(key)
    return tuple(keys)


def line_in_json(text: str, keys: tuple[str, ...]) -> int | None:
    """Return the number of the line on which a table or a key of a run.json stands."""
    position, line = 0, None
    for depth, key in enumerate(keys, start=1):
        named = rf"{re.escape(json.dumps(key))}\s*:"
        # By its indentation first: a key further in may have the same name.
        indented = re.compile(rf"^ {{{2 * depth}}}{named}", re.MULTILINE).search(text, position)
        match = indented or re.compile(named).search(text, position)
        if match is None:
            return line
        position, line = match.end(), text.count("\n", 0, match.start()) + 1
    return line
