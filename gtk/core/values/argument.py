"""Arguments of public functions, checked against their annotations."""

import inspect
import operator
import os
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from numbers import Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ParamSpec, TypeVar, Union, get_args, get_origin

from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

#: What annotations are called in messages; any other class has its name.
WORDS: Mapping[object, str] = {
    str: "a string", bytes: "bytes", int: "a whole number", float: "a number",
    bool: "True or False", Path: "a path", NoneType: "None", tuple: "a list", Iterable: "a list",
    Mapping: "a mapping",
}  # fmt: skip
#: The longest value that a message quotes, and the most bits of an integer that Python prints.
LONGEST_VALUE, LONGEST_INTEGER = 60, 10_000


def typed(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Return a function that checks its arguments by their annotations, as `check_type` does.

    What is annotated as int is not, since the function checks its range, nor what is in quotes.
    """
    names = inspect.unwrap(function).__code__.co_varnames
    kinds = function.__annotations__

    @wraps(function)
    def checked(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        for name, value in {**dict(zip(names, args, strict=False)), **kwargs}.items():
            if kinds.get(name) not in (int, int | None):
                check_type(name, value, kinds.get(name, Any))
        return function(*args, **kwargs)

    return checked


def check_type(name: str, value: object, kind: Any) -> None:  # noqa: ANN401 - any annotation
    """Raise InvalidValue for an argument of another type than its annotation says.

    Only plain types are checked, classes, and iterables and mappings as a whole. A path may be a
    string.
    """
    if not _fits(value, kind):
        kinds = get_args(kind) if _is_union(kind) else (kind,)
        words = [_word(item) for item in kinds]
        raise InvalidValue(f"{setting(name)} must be {' or '.join(words)}, not {shown(value)}")


def shown(value: object) -> str:
    """Return a value as Python writes it, or its type where that is long or more than a line."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a foreign class may raise anything, Python does for 5,000 digits
        text = ""
    return text if 0 < len(text) <= LONGEST_VALUE and text.isprintable() else _type_of(value)


def is_whole(value: Any) -> bool:  # noqa: ANN401 - whatever was given
    """Return whether a value is an integer, numpy's too, of not thousands of digits."""
    try:
        return not isinstance(value, bool) and operator.index(value).bit_length() <= LONGEST_INTEGER
    except TypeError:
        return False


def _fits(value: object, kind: Any) -> bool:  # noqa: ANN401 - any annotation
    if _is_union(kind):
        return any(_fits(value, item) for item in get_args(kind))
    base = get_origin(kind) or kind
    if base is int:
        return is_whole(value)
    if base is float:
        return not isinstance(value, bool) and isinstance(value, Real)
    if base is Path:
        return isinstance(value, str | os.PathLike) and isinstance(os.fspath(value), str)
    if base is tuple:
        single = isinstance(value, str | bytes) or getattr(value, "shape", None) == ()
        return isinstance(value, Iterable) and not single
    checked = base in WORDS or (base is kind and isinstance(base, type) and base is not Any)
    return not checked or isinstance(value, base)


def _is_union(kind: object) -> bool:
    return get_origin(kind) in (Union, UnionType)


def _word(kind: Any) -> str:  # noqa: ANN401 - any annotation
    return WORDS.get(get_origin(kind) or kind) or f"a {kind.__name__}"


def _type_of(value: object) -> str:
    """Describe a value that cannot be quoted."""
    if isinstance(value, int):
        return "an integer of thousands of digits"
    return f"a value of type {type(value).__name__}"
