"""A recipe: the settings of a training as a file holds them, and where each stands in it."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gtk.core.values.errors import InvalidValue, UserError, unknown_name
from gtk.core.values.text import visible
from gtk.core.values.user_path import user_path

#: The tables a recipe may have: the trainer's settings, and a plugin with its options each.
TABLES = ("train", "data", "model", "conditioner", "loss")
#: The version of run.json. A run with another one is refused.
FORMAT = 1
#: Bytes of the largest recipe. One is a page of text; what is larger is something else.
LARGEST = 1_000_000


@dataclass(frozen=True)
class Recipe:
    """Settings from a file: a TOML file, or a run's run.json.

    Attributes:
        name: what run.json calls it: a built-in one's name, "mine.toml", "first/run.json".
        path: the file, as messages call it.
        text: what is in it.
        tables: values by key, for each of `TABLES`; empty where the file has none.
        summary: a line for listings.
        device: what the run was trained on, None for a recipe that is no run.
        built_in: whether it comes with gtk, so that its name alone says what it is.
    """

    name: str | None
    path: Path
    text: str
    tables: Mapping[str, Mapping[str, Any]]
    summary: str = ""
    device: str | None = None
    built_in: bool = False

    def plugin(self, table: str) -> str | None:
        """Return the name of the plugin that a table asks for, if it does."""
        name: str | None = self.tables[table].get("name")
        return name

    def options(self, table: str) -> dict[str, Any]:
        """Return a table's values without the plugin's name, and without the data's root."""
        # The trainer is no plugin, so that a name is a mistake there.
        others = {"train": (), "data": ("name", "root")}.get(table, ("name",))
        return {key: value for key, value in self.tables[table].items() if key not in others}

    @property
    def data_root(self) -> Path | None:
        """The folder that the data set reads; a relative one starts at the recipe's folder."""
        root = self.tables["data"].get("root")
        return None if root is None else self.path.parent / user_path(root)

    @contextmanager
    def blamed(self, table: str, key: str | None = None) -> Iterator[None]:
        """Say of a mistake in a value of this recipe where the value stands.

        Args:
            table: the table it is in.
            key: its key; by default the first one that the message speaks of.
        """
        try:
            yield
        except UserError as error:
            guilty = key or _first_mentioned(self.options(table), str(error))
            raise type(error)(self.mistake(str(error), table, guilty)) from error

    def mistake(self, message: str, table: str, key: str | None = None) -> str:
        """Return a message with the file, the line and the key before it, in one line."""
        find = line_in_json if self.path.suffix == ".json" else line_in_toml
        line, what = find(self.text, (table,)), f"[{table}]"
        if key is not None:
            line, what = find(self.text, (table, key)) or line, f"[{table}] {key}"
        return _one_line(f"{_place(self.path, line)}: {what}: {message}")


#: What a training has that follows none.
NO_RECIPE = Recipe(None, Path(), "", {table: {} for table in TABLES})


def read_recipe(path: Path, *, built_in: bool = False) -> Recipe:
    """Read a TOML file, or a run.json.

    Args:
        path: the file.
        built_in: whether it comes with gtk.

    Raises:
        UserError: it cannot be read, is too large, or is neither.
        InvalidValue: it has a table or a value that no recipe has; the message names the line.
    """
    text = _read_text(path)
    if path.suffix == ".json":
        return _from_run(path, text)
    document = _parse_toml(path, text)
    tables = {name: value for name, value in document.items() if name != "summary"}
    summary = document.get("summary", "")
    if not isinstance(summary, str):
        line = line_in_toml(text, ("summary",))
        raise InvalidValue(f"{_place(path, line)}: summary takes a text, not {summary!r}")
    name = path.stem if built_in else path.name
    return _checked(Recipe(name, path, text, tables, summary, built_in=built_in))


def run_tables(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the tables of a run.json, with the plugins named by package, too."""
    tables = {table: dict(document[table]) for table in TABLES}
    for table in TABLES:
        if table != "train":
            package = document["packages"][table]["package"]
            tables[table]["name"] = f"{package}/{document[table]['name']}"
    return tables


def line_in_toml(text: str, keys: tuple[str, ...]) -> int | None:
    """Return the number of the line on which a table or a key of a valid TOML text begins.

    A line begins something if all before it is a whole text by itself; it begins the key if that
    text does not have it yet. So no second reader of TOML has to agree with the first.
    """
    lines, found = text.split("\n"), None
    for number, line in enumerate([*lines, keys[-1]]):
        if keys[-1] not in line:
            continue
        try:
            before: Any = tomllib.loads("\n".join(lines[:number]))
        except ValueError:
            continue  # inside of a text or a list of several lines
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


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"recipe {path} cannot be read: {reason}") from error
    if len(content) > LARGEST:
        raise UserError(f"{path} is larger than {LARGEST:,} bytes, so it is no recipe")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(f"{_place(path, line)}: not UTF-8 text: save it as UTF-8") from error


def _parse_toml(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        lines = text.split("\n")
        match = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
        number = int(match[1]) if match and match[1] else max(1, len(text.rstrip().split("\n")))
        reason = str(error).removesuffix(match[0]) if match else str(error)
        raise InvalidValue(
            f"{_place(path, number)}: not TOML: {reason}: {lines[number - 1][:80]!r}"
        ) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; many brackets
        raise InvalidValue(f"{path} cannot be read: {error}") from error


def _from_run(path: Path, text: str) -> Recipe:
    """Make the recipe that repeats a run, on its device and with as many threads."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidValue(f"{_place(path, error.lineno)}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f"{path} cannot be read: {error}") from error
    try:
        if document["format"] != FORMAT:
            line = line_in_json(text, ("format",))
            raise UserError(
                f"{_place(path, line)}: format {document['format']!r}, this gtk reads {FORMAT}: "
                "use the gtk that made the run, or a newer one"
            )
        tables = run_tables(document)
        device = str(document["device"])
        # As many as the run took, which decides its bits, where it left their number open.
        tables["train"]["threads"] = tables["train"].get("threads") or document["threads"]
    except (LookupError, TypeError, ValueError) as error:
        lack = f"has no {error}" if isinstance(error, KeyError) else "is something else"
        raise InvalidValue(f"{path} is not the run.json of a run: it {lack}") from error
    folder = path.absolute().parent.name
    return _checked(Recipe(f"{folder}/{path.name}", path, text, tables, device=device))


def _checked(recipe: Recipe) -> Recipe:
    """Return the recipe with every table, or refuse what no recipe has.

    Raises:
        UnknownName: a table, or a key of [data], that is none.
        InvalidValue: a table in a table, something else in a table's place, a name that is no text.
    """
    for table, values in recipe.tables.items():
        if table not in TABLES:
            raise _unknown_table(recipe, table)
        if not isinstance(values, dict):
            raise InvalidValue(recipe.mistake("this is a table: write its values below it", table))
        for key, value in values.items():
            if isinstance(value, dict) or (isinstance(value, list) and _holds_tables(value)):
                raise InvalidValue(recipe.mistake("a table holds no tables", table, key))
    for table in TABLES[1:]:
        for key in ("name", "root") if table == "data" else ("name",):
            value = recipe.tables.get(table, {}).get(key)
            if not isinstance(value, str | None):
                raise InvalidValue(recipe.mistake(f"{key} takes a text, not {value!r}", table, key))
    tables = {table: recipe.tables.get(table, {}) for table in TABLES}
    return replace(recipe, tables=tables)


def _unknown_table(recipe: Recipe, table: str) -> UserError:
    line = line_in_toml(recipe.text, (table,))
    what = "table" if isinstance(recipe.tables[table], dict) else "top-level key"
    error = unknown_name(what, table, ("summary", *TABLES))
    return type(error)(_one_line(f"{_place(recipe.path, line)}: {error}"))


def _holds_tables(values: list[Any]) -> bool:
    return any(isinstance(value, dict) for value in values)


def _first_mentioned(keys: Mapping[str, Any], message: str) -> str | None:
    """Return the key that a message speaks of first, as those of config classes begin with it."""
    places = {
        match.start(): key
        for key in keys
        if (match := re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", message))
    }
    return places[min(places)] if places else None


def _one_line(message: str) -> str:
    """Return a message in one line, without what a quoted key may hold, such as escapes."""
    return visible(" ".join(message.split()))


def _place(path: Path, line: int | None) -> str:
    return str(path) if line is None else f"{path}, line {line}"
