"""A recipe: the settings of a training, read from a TOML file or a run's run.json."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from gtk.core.registry.installed import OWN_PACKAGE
from gtk.core.settings.line_number import line_in_json, line_in_toml
from gtk.core.settings.published import SAMPLES, Published, read_figure, read_samples
from gtk.core.values.argument import LONGEST_INTEGER
from gtk.core.values.errors import InvalidValue, UnknownName, UserError, unknown_name
from gtk.core.values.text import one_line
from gtk.core.values.user_path import user_path

#: The tables of a recipe: the trainer's settings, then a plugin and its options in each.
TABLES = ("train", "data", "model", "conditioner", "loss", "sampler")
#: The keys of a table that are not options; [train] belongs to no plugin, so it has no name.
NAMES = dict.fromkeys(TABLES, ("name",)) | {"train": (), "data": ("name", "root")}
#: The table of the tables of metrics' options, [metric.NAME].
METRIC = "metric"
#: Top-level entries that settle nothing of a training: a line of text, and a table of figures.
SUMMARY, PUBLISHED = "summary", "published"
#: The message for a value instead of a table.
NO_TABLE = "must be a table. Write its values below it."
#: How every training of a version without these settings computed.
FIRST_ARITHMETIC = {"precision": "fp32", "memory_format": "contiguous"}
#: The largest TOML file in bytes. A recipe is a page of text, so a larger file is a mistake.
LARGEST = 1_000_000
#: The most dots in a key, and the end of a message in which a key is looked for. tomllib takes time
#: quadratic in the dots; a recipe needs one.
MOST_DOTS, LONGEST_MESSAGE = 20, 2000
DOT = re.compile(r"[^.\s]\s*\.")

#: One of `TABLES`, or ("metric", NAME).
TableName: TypeAlias = str | tuple[str, str]


@dataclass(frozen=True)
class Recipe:
    """The settings of a training in a TOML file or a run.json.

    Attributes:
        name: its name in run.json: that of a built-in recipe, "mine.toml" or "first/run.json".
        path: the file.
        text: the file's text.
        tables: values by key for each of `TABLES`; empty where the file has no such table.
        metrics: options of metrics that the training computes, by the name of each.
        summary: a line for listings.
        device: the device of the run; None for a TOML file.
        init_from: where the run's first weights came from; None where they were new ones.
        built_in: whether it comes with gtk.
        published: the figures that its training reached, None without a table of them.
    """

    name: str | None
    path: Path
    text: str
    tables: Mapping[str, Mapping[str, Any]]
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    summary: str = ""
    device: str | None = None
    init_from: str | None = None
    built_in: bool = False
    published: Published | None = None

    def plugin(self, table: str) -> str | None:
        """Return the name of the plugin in a table, None if it names none."""
        name: str | None = self.tables[table].get("name")
        return name

    def options(self, table: TableName) -> dict[str, Any]:
        """Return a table's values without the plugin's name and the data's root."""
        if not isinstance(table, str):
            return dict(self.metrics[table[1]])
        return {key: value for key, value in self.tables[table].items() if key not in NAMES[table]}

    @property
    def data_root(self) -> Path | None:
        """The folder that the data set reads; a relative one starts at the recipe's folder."""
        root = self.tables["data"].get("root")
        return None if root is None else self.path.parent / user_path(root)

    @contextmanager
    def locating(self, table: TableName, key: str | None = None) -> Iterator[None]:
        """Add the file, the line and the key to errors about a value in a table of this recipe.

        Without a key it is the first key that the message mentions.
        """
        try:
            yield
        except UserError as error:
            message = str(error.args[0])  # str(error) escapes what a key may have
            key = key or _first_mentioned(self.options(table), message)
            raise type(error)(self.located(message, table, key)) from error

    def located(self, message: str, table: TableName, key: str | None = None) -> str:
        """Return a message with the file, the line and the key before it, in one line."""
        find = line_in_json if self.path.suffix == ".json" else line_in_toml
        path = (table,) if isinstance(table, str) else table
        line, what = find(self.text, path), f"[{'.'.join(path)}]"
        if key is not None:
            line, what = find(self.text, (*path, key)) or line, f"{what} {key}"
            # The messages of options begin with what they belong to, which is named already.
            message = re.sub(rf"^([a-z ]+( '[^']*')?: )?{re.escape(key)} ", "", message)
        return one_line(f"{_place(self.path, line)}: {what}: {message}")


#: The recipe of a training without one.
NO_RECIPE = Recipe(None, Path(), "", {table: {} for table in TABLES})


def read_recipe(path: Path, *, built_in: bool = False) -> Recipe:
    """Read a TOML file or a run.json.

    Raises:
        UserError: it cannot be read, is too large, or is neither.
        UnknownName: it has an unknown table, or a published figure an unknown key.
        InvalidValue: a value has the wrong type; the message names the line.
    """
    text = _read_text(path)
    if path.suffix == ".json":
        return _from_run(path, text)
    tables = _parse_toml(path, text)
    summary, published = tables.pop(SUMMARY, ""), tables.pop(PUBLISHED, None)
    metrics = tables.pop(METRIC, {})
    if not isinstance(summary, str):
        line = line_in_toml(text, (SUMMARY,))
        raise InvalidValue(f"{_place(path, line)}: summary must be a string, not {summary!r}")
    name = path.stem if built_in else path.name
    recipe = Recipe(name, path, text, tables, metrics, summary, built_in=built_in)
    recipe = _checked(recipe)
    return recipe if published is None else replace(recipe, published=_published(recipe, published))


def run_tables(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the tables of a run.json, each plugin named as "package/name"."""
    document = with_sampler(document)
    tables = {table: dict(document[table]) for table in TABLES}
    tables["train"] = FIRST_ARITHMETIC | tables["train"]
    for table in TABLES[1:]:
        package = document["packages"][table]["package"]
        tables[table]["name"] = f"{package}/{tables[table]['name']}"
    return tables


def with_sampler(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run.json with its sampler: before there were any, all models were drawn from so."""
    first = {"name": "direct"}, {"package": OWN_PACKAGE}
    table, packages = document.get("sampler", first[0]), document.get("packages", {})
    packages = {**packages, "sampler": packages.get("sampler", first[1])}  # in the same order
    return {**document, "sampler": table, "packages": packages}


def _read_text(path: Path) -> str:
    largest = LARGEST
    if path.suffix == ".json":
        from gtk.core.settings.run_file import LARGEST_RUN  # as in _from_run

        largest = LARGEST_RUN
    try:
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"recipe {path} cannot be read: {reason}") from error
    if len(content) > largest:
        raise UserError(f"{path} is larger than {largest:,} bytes, too large for a recipe")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(f"{_place(path, line)}: not UTF-8 text. Save it as UTF-8.") from error


def _parse_toml(path: Path, text: str) -> dict[str, Any]:
    for number, line in enumerate(text.split("\n"), start=1):
        if max(len(DOT.findall(part)) for part in re.split("[=,{]", line)) > MOST_DOTS:
            raise InvalidValue(f"{_place(path, number)}: a name has more than {MOST_DOTS} dots")
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        lines = text.split("\n")
        match = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
        number = int(match[1]) if match and match[1] else max(1, len(text.rstrip().split("\n")))
        reason = str(error).removesuffix(match[0]) if match else str(error)
        raise InvalidValue(
            f"{_place(path, number)}: not TOML: {reason:.200}: {lines[number - 1][:80]!r}"
        ) from error
    except (ValueError, RecursionError) as error:  # thousands of digits, or of brackets
        raise InvalidValue(f"{path} cannot be read: {error}") from error
    # Python reads hexadecimal numbers of any length, but prints none of more than 4300 digits.
    if any(number.bit_length() > LONGEST_INTEGER for number in _integers(tables)):
        raise InvalidValue(f"{path} has an integer of thousands of digits. Write a smaller one.")
    return tables


def _integers(value: Any) -> Iterator[int]:  # noqa: ANN401 - whatever TOML holds
    """Yield every integer in a parsed text."""
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, int):
            yield value
        elif isinstance(value, dict | list):
            pending.extend(value.values() if isinstance(value, dict) else value)


def _from_run(path: Path, text: str) -> Recipe:
    """Return the recipe that repeats a run, on its device and with its number of threads."""
    # It imports msgspec, which an environment for exported files lacks.
    from gtk.core.settings.run_file import FORMAT

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
                f"{_place(path, line)}: format {document['format']!r}, this gtk reads {FORMAT}. "
                "Use the gtk that made the run, or a newer one."
            )
        tables = run_tables(document)
        device = str(document["device"])
        begun = document.get("init_from")
        source = str(begun["source"]) if begun else None
        # The number of threads decides the bits, so repeat what the run took where it was 0.
        tables["train"]["threads"] = tables["train"].get("threads") or document["threads"]
    except (LookupError, TypeError, ValueError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else "its structure differs"
        raise InvalidValue(f"{path} is not the run.json of a run: {reason}") from error
    folder = path.absolute().parent.name
    name, metrics = f"{folder}/{path.name}", document.get(METRIC, {})
    return _checked(Recipe(name, path, text, tables, metrics, device=device, init_from=source))


def _checked(recipe: Recipe) -> Recipe:
    """Return the recipe with every table, after checking that tables and names are valid.

    Raises:
        UnknownName: an unknown table.
        InvalidValue: a value instead of a table, a table in a table, or a name of another type.
    """
    for table, values in recipe.tables.items():
        if table not in TABLES:
            what = "table" if isinstance(values, dict) else "top-level key"
            line = line_in_toml(recipe.text, (table,))
            error = unknown_name(what, table, (SUMMARY, *TABLES, METRIC, PUBLISHED))
            raise UnknownName(one_line(f"{_place(recipe.path, line)}: {error}"))
        if not isinstance(values, dict):
            raise InvalidValue(recipe.located(NO_TABLE, table))
        for key, value in values.items():
            parts = value if isinstance(value, list) else [value]
            if any(isinstance(part, dict) for part in parts):
                message = "must be a value, not a table"
            elif key in NAMES[table] and not isinstance(value, str | None):
                message = f"must be a string, not {value!r}"
            else:
                continue
            raise InvalidValue(recipe.located(message, table, key))
    _check_metrics(recipe)
    tables = {table: recipe.tables.get(table, {}) for table in TABLES}
    return replace(recipe, tables=tables)


def _check_metrics(recipe: Recipe) -> None:
    """Check that the options of metrics are tables by name.

    Raises:
        InvalidValue: something else stands there.
    """
    metrics: object = recipe.metrics
    if not isinstance(metrics, dict):
        raise InvalidValue(recipe.located("must be tables, each of a metric's options", METRIC))
    for name, values in metrics.items():
        if not isinstance(values, dict):
            message = f"must be a table of the metric's options: [{METRIC}.{name}]"
            raise InvalidValue(recipe.located(message, METRIC, name))
        for key, value in values.items():
            if any(isinstance(it, dict) for it in (value if isinstance(value, list) else [value])):
                message = "must be a value, not a table"
                raise InvalidValue(recipe.located(message, (METRIC, name), key))


def _published(recipe: Recipe, table: object) -> Published:
    """Read the table [published] of a recipe.

    Raises:
        UnknownName: a figure has an unknown key.
        InvalidValue: a value of another type or out of range, or there is no figure.
    """
    if not isinstance(table, dict):
        raise InvalidValue(recipe.located(NO_TABLE, PUBLISHED))
    figures = []
    for key, value in table.items():
        with recipe.locating(PUBLISHED, key):
            if key != SAMPLES:
                figures.append(read_figure(key, value))
    if not figures or SAMPLES not in table:
        message = f"needs {SAMPLES} and a figure. Write them below it."
        raise InvalidValue(recipe.located(message, PUBLISHED))
    with recipe.locating(PUBLISHED, SAMPLES):
        return Published(read_samples(table[SAMPLES]), tuple(figures))


def _first_mentioned(keys: Mapping[str, Any], message: str) -> str | None:
    """Return the key that a message mentions first; messages of config classes begin with it."""
    message = message[:LONGEST_MESSAGE]
    places = {
        match.start(): key
        for key in keys
        if key in message and (match := re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", message))
    }
    return places[min(places)] if places else None


def _place(path: Path, line: int | None) -> str:
    return str(path) if line is None else f"{path}, line {line}"
