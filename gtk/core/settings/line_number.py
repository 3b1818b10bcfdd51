"""The line of a TOML or JSON text on which a table or a key stands."""

import json
import re
import tomllib
from typing import Any


def line_in_toml(text: str, keys: tuple[str, ...]) -> int | None:
    """Return the number of the line on which a table or a key of a valid TOML text begins.

    A line begins something if the text before it is valid by itself; it begins the key if that
    text lacks the key. So tomllib alone decides what is TOML.
    """
    lines, found = text.split("\n"), None
    for number, line in enumerate([*lines, keys[-1]]):
        if keys[-1] not in line:
            continue
        try:
            before: Any = tomllib.loads("\n".join(lines[:number]))
        except ValueError:
            continue  # inside a string or a list of several lines
        for key in keys:
            before = before.get(key) if isinstance(before, dict) else None
        if before is not None:
            return found
        found = number + 1
    return None


def line_in_json(text: str, keys: tuple[str, ...]) -> int | None:
    """Return the number of the line on which a table or a key of a run.json stands."""
    position, line = 0, None
    for key in keys:
        match = re.compile(rf"{re.escape(json.dumps(key))}\s*:").search(text, position)
        if match is None:
            return line
        position, line = match.end(), text.count("\n", 0, match.start()) + 1
    return line
