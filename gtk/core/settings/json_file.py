"""Reading a JSON file by a schema: types and limits are checked before anything is used."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

from gtk.core.values.errors import InvalidValue
from gtk.core.values.ordinary_file import read_ordinary

T = TypeVar("T")
#: How deep objects and lists may be nested; gtk itself writes five levels.
DEEPEST = 50


def read_json(path: Path, kind: type[T], limit: int) -> T:
    """Return the content of a JSON file as an instance of a dataclass, a Struct or another type.

    Args:
        path: the file; a link is refused.
        kind: the schema. Entries that it does not name are ignored, as newer versions may add some.
        limit: the largest size in bytes.

    Raises:
        FileNotFoundError: the file does not exist.
        InvalidValue: it cannot be read, is too large, or does not fit the schema.
    """
    content = _content(path, limit)
    try:
        return decode_json(content, kind)
    except InvalidValue as error:
        raise damaged(path, error) from error


def read_document(path: Path, kind: type, limit: int) -> dict[str, Any]:
    """Return a JSON file as the object that it holds, with entries that the schema does not name.

    The arguments and errors are those of `read_json`.
    """
    content = _content(path, limit)
    try:
        document = decode_json(content, dict[str, Any])
        check_document(document, kind)
    except InvalidValue as error:
        raise damaged(path, error) from error
    return document


def check_document(document: dict[str, Any], kind: type) -> None:
    """Refuse, with InvalidValue, a decoded object that does not fit a schema."""
    level: list[Any] = [document]
    for _ in range(DEEPEST):
        level = [child for item in level for child in _children(item)]
    if level:
        raise InvalidValue("it is nested too deeply")
    _converted(document, kind)


def decode_json(content: bytes, kind: type[T]) -> T:
    """Return JSON text as an instance of a schema.

    Raises:
        InvalidValue: the text is not JSON, is nested too deeply, or does not fit the schema; the
            message names the entry.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except RecursionError as error:
        raise InvalidValue("it is nested too deeply") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        if b"\\ud" in content.lower():
            return _converted(_with_surrogates(content), kind)
        raise InvalidValue(str(error)) from error


def damaged(path: Path, error: Exception) -> InvalidValue:
    """Return the error for a file that does not fit its schema."""
    reason = str(error).rstrip(".")
    return InvalidValue(f"{path} is damaged: {reason}. Restore it from a copy, or train anew.")


def _content(path: Path, limit: int) -> bytes:
    try:
        return read_ordinary(path, limit)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InvalidValue(f"{path} cannot be read: {error.strerror}") from error


def _converted(value: Any, kind: type[T]) -> T:  # noqa: ANN401 - whatever JSON holds
    try:
        return msgspec.convert(value, kind)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise InvalidValue(str(error)) from error


def _with_surrogates(content: bytes) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Decode JSON with lone surrogates, which msgspec refuses.

    In a path that is not UTF-8, Python represents bytes by them, and json.dumps writes them.
    """
    try:
        return json.loads(content.decode(), parse_constant=_not_finite, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f"JSON is malformed: {error}") from error


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _not_finite(text)


def _not_finite(text: str) -> NoReturn:
    raise ValueError(f"{text} is out of range")


def _children(value: Any) -> Iterable[Any]:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def as_json(document: Mapping[str, Any]) -> bytes:
    """Return the content of a JSON file."""
    return (json.dumps(document, indent=2) + "\n").encode()
