"""A plugin's options: from a config dataclass to flags, keyword arguments and JSON, and back."""

import math
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import MISSING, asdict, dataclass, field, fields
from numbers import Real
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from gtk.core.registry.suggestion import unknown_option
from gtk.core.values.argument import is_whole, shown
from gtk.core.values.by_part import EXAMPLE, ByPart, PartNumber, parse_by_part
from gtk.core.values.decays import Decays, as_decays, parse_decays
from gtk.core.values.errors import InvalidValue, PluginError
from gtk.core.values.interval import Epochs, Interval, parse_interval

Default = TypeVar("Default")

#: The largest finite number of float32.
LARGEST_SINGLE = (2 - 2**-23) * 2.0**127
#: What a message calls a value of a type.
EXPECTED: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a string",
    tuple[int, ...]: "whole numbers such as 256,128",
    tuple[float, ...]: "numbers such as 0,4095",
    tuple[str, ...]: "words such as one,two",
    PartNumber: f"a number, or one for each part such as {EXAMPLE}",
    Decays: "a number, or several such as 0.999,0.9995",
    Interval: "steps such as 500, or epochs such as '2 epochs'",
}


def option(default: Default, text: str, **metadata: Any) -> Default:  # noqa: ANN401 - any of a field's
    """Return a field of a config dataclass: its default and its help text."""
    return field(default=default, metadata={"help": text, **metadata})


@dataclass(frozen=True)
class Option:
    """One field of one config table, and its name on the command line and in Python.

    Attributes:
        table: the table it belongs to: "train", "model", "conditioner" or "loss".
        field: the field's name in the config dataclass.
        name: the bare field name if it is unique, else `table_field`.
        type: int, float, bool, str, a Literal of strings, a tuple[T, ...] of int, float or str, or
            of the trainer's, `PartNumber`, `Decays` or `Interval`.
        default: its default value.
        help: a sentence for the user.
        memory: whether smaller values take less memory.
    """

    table: str
    field: str
    name: str
    type: Any
    default: Any
    help: str
    memory: bool = False

    @property
    def flag(self) -> str:
        """The option as it is typed."""
        return "--" + self.name.replace("_", "-")


def check_config(config: type) -> None:
    """Refuse a config class that cannot become options.

    Raises:
        PluginError: it is not a frozen dataclass, or a field has an unusable type or no default.
    """
    parameters = getattr(config, "__dataclass_params__", None)
    if parameters is None or not parameters.frozen:
        raise PluginError(f"{config!r} is not a frozen dataclass")
    try:
        hints = get_type_hints(config)
    except NameError as error:
        raise PluginError(f"a type of {config.__name__} cannot be resolved: {error}") from error
    for item in fields(config):
        name, kind = f"{config.__name__}.{item.name}", hints[item.name]
        if not _usable(kind):
            written = kind.__name__ if type(kind) is type else kind
            raise PluginError(
                f"{name} has type {written}. Use int, float, bool, str, a Literal of strings, "
                "tuple[int, ...], tuple[float, ...] or tuple[str, ...]"
            )
        if item.default is MISSING:
            what = "no default" if item.default_factory is MISSING else "a default_factory"
            raise PluginError(f"{name} has {what}. Give the value itself, {item.name} = ...")


def options_of(tables: Mapping[str, type], reserved: Collection[str] = ()) -> list[Option]:
    """Return an option for every field of every table's config class, with unambiguous names.

    Args:
        tables: config classes by table.
        reserved: names that are taken; a field of such a name becomes `table_field`.

    Raises:
        PluginError: two options would have one name.
    """
    names = [item.name for config in tables.values() for item in fields(config)]
    options, taken = [], dict[str, str]()
    for table, config in tables.items():
        hints = get_type_hints(config)
        for item in fields(config):
            unique = names.count(item.name) == 1 and item.name not in reserved
            name = item.name if unique or table == "train" else f"{table}_{item.name}"
            text, kind = item.metadata.get("help", ""), hints[item.name]
            memory = bool(item.metadata.get("memory", False))
            options.append(Option(table, item.name, name, kind, item.default, text, memory))
            for one in (name, f"no_{name}") if kind is bool else (name,):
                if one in taken:
                    raise PluginError(
                        f"{table} and {taken[one]} both have an option --{one.replace('_', '-')}: "
                        "they cannot be used together"
                    )
                taken[one] = table
    return options


def make_config(config: type, values: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401 - an instance of whichever class was given
    """Build a config object from plain values, as they come from Python, TOML or JSON.

    Args:
        config: the dataclass.
        values: by field name; numbers, strings, booleans, lists of whole numbers.
        where: what the values belong to, for messages.

    Raises:
        InvalidValue: a value of the wrong type or out of range.
        UnknownName: a name that is not a field.
    """
    hints = get_type_hints(config)
    known = [item.name for item in fields(config)]
    for name in values:
        if name not in known:
            raise unknown_option(f"option of {where}", name, known)
    converted = {name: _convert(hints[name], value, name) for name, value in values.items()}
    try:
        return config(**converted)
    except ValueError as error:
        raise InvalidValue(f"{where}: {error}") from error


def as_table(config: Any) -> dict[str, Any]:  # noqa: ANN401 - any config object
    """Return a config object's values for JSON and TOML."""
    table = asdict(config)
    for name, item in table.items():
        if isinstance(item, tuple):
            table[name] = list(item)
        elif isinstance(item, ByPart | Epochs):
            table[name] = str(item)
    return table


def parse_integers(text: str) -> tuple[int, ...]:
    """Read whole numbers separated by commas: "256,128".

    Raises:
        ValueError: something else is between the commas.
    """
    return tuple(int(part) for part in text.split(",")) if text.strip() else ()


def parse_numbers(text: str) -> tuple[float, ...]:
    """Read numbers separated by commas: "0,4095".

    Raises:
        ValueError: something else is between the commas.
    """
    return tuple(float(part) for part in text.split(",")) if text.strip() else ()


def parse_words(text: str) -> tuple[str, ...]:
    """Read words separated by commas: "encoder,decoder"."""
    return tuple(part.strip() for part in text.split(",")) if text.strip() else ()


#: What reads the text of a type of several values; it raises `ValueError`.
READERS: dict[Any, Callable[[str], Any]] = {
    tuple[int, ...]: parse_integers,
    tuple[float, ...]: parse_numbers,
    tuple[str, ...]: parse_words,
    PartNumber: parse_by_part,
    Decays: parse_decays,
    Interval: parse_interval,
}


def _usable(kind: Any) -> bool:  # noqa: ANN401 - a type annotation can be anything
    if get_origin(kind) is Literal:
        return all(isinstance(choice, str) for choice in get_args(kind))
    return kind in (int, float, bool, str, *READERS)


def _convert(kind: Any, value: Any, name: str) -> Any:  # noqa: ANN401 - values come from JSON
    """Return the value as the field's type; whole numbers pass for floats, lists for tuples."""
    if kind == tuple[int, ...]:
        return _integers(value, name)
    if kind == tuple[float, ...]:
        return _floats(value, name)
    if kind == tuple[str, ...]:
        return _words(value, name)
    if kind == PartNumber:
        return _by_part(value, name)
    if kind == Decays:
        return _decays(value, name)
    if kind == Interval:
        return _interval(value, name)
    if get_origin(kind) is Literal:
        if isinstance(value, str) and value in get_args(kind):
            return value
        raise InvalidValue(f"{name} must be one of {', '.join(get_args(kind))}, not {shown(value)}")
    if not isinstance(value, bool):  # numpy's numbers, too, are numbers
        if kind is int and is_whole(value):
            return int(value)
        if kind is float and isinstance(value, Real):
            return _single(name, value)
    if kind is int or type(value) is not kind:
        raise unexpected(kind, value, name)
    return value


def unexpected(kind: Any, value: Any, name: str) -> InvalidValue:  # noqa: ANN401 - as above
    """Return the error of a value that is not of an option's type."""
    return InvalidValue(f"{name} takes {EXPECTED[kind]}, not {shown(value)}")


def _by_part(value: Any, name: str) -> PartNumber:  # noqa: ANN401 - as above
    """Return a number, or the numbers of parts, which may be a text or a mapping."""
    try:
        number = parse_by_part(value) if isinstance(value, str) else value
        if not isinstance(number, Mapping):
            return cast("float", _convert(float, number, name))
        return ByPart({str(part): _convert(float, it, name) for part, it in number.items()})
    except InvalidValue:
        raise
    except ValueError as error:
        raise unexpected(PartNumber, value, name) from error


def _decays(value: Any, name: str) -> Decays:  # noqa: ANN401 - as above
    """Return a number, or several, which may be a text or a list."""
    try:
        numbers = parse_decays(value) if isinstance(value, str) else value
        if not isinstance(numbers, tuple | list):
            return cast("float", _convert(float, numbers, name))
        return as_decays(tuple(_convert(float, it, name) for it in numbers))
    except ValueError as error:
        raise unexpected(Decays, value, name) from error


def _interval(value: Any, name: str) -> Interval:  # noqa: ANN401 - as above
    """Return steps or epochs, which may be a text."""
    with suppress(ValueError):
        return parse_interval(value) if isinstance(value, str) else _whole(value)
    raise unexpected(Interval, value, name)


def _whole(value: Any) -> Interval:  # noqa: ANN401 - as above
    """Return a whole number as it is; ValueError for anything else."""
    if isinstance(value, Epochs):
        return value
    if not is_whole(value):
        raise ValueError
    return int(value)


def _integers(value: Any, name: str) -> tuple[int, ...]:  # noqa: ANN401 - values come from JSON
    """Return whole numbers, of which one may come alone, or all as one string."""
    if isinstance(value, str):
        with suppress(ValueError):
            return parse_integers(value)
    parts = value if isinstance(value, list | tuple) else [value]
    if all(map(is_whole, parts)):
        return tuple(int(part) for part in parts)
    raise unexpected(tuple[int, ...], value, name)


def _floats(value: Any, name: str) -> tuple[float, ...]:  # noqa: ANN401 - values come from JSON
    """Return numbers, which may all come as one string."""
    if not isinstance(value, bytes | bytearray):
        with suppress(TypeError, ValueError):
            parts = parse_numbers(value) if isinstance(value, str) else value
            return tuple(_convert(float, part, name) for part in parts)
    raise unexpected(tuple[float, ...], value, name)


def _words(value: Any, name: str) -> tuple[str, ...]:  # noqa: ANN401 - values come from JSON
    """Return words, which may all come as one string."""
    parts = parse_words(value) if isinstance(value, str) else value
    if isinstance(parts, list | tuple) and all(isinstance(part, str) for part in parts):
        return tuple(parts)
    raise unexpected(tuple[str, ...], value, name)


def _single(name: str, value: Real) -> float:
    """Return a number that float32 can have: torch raises an error of its own at a larger one."""
    try:
        number = float(value)
    except OverflowError as error:
        raise InvalidValue(f"{name} is too large for a float") from error
    if LARGEST_SINGLE < abs(number) < math.inf:
        raise InvalidValue(f"{name} is too large for float32: {number}")
    return number
