"""Reading a JSON file by a schema: types and limits are checked before anything is used."""

from pathlib import Path
from typing import TypeVar

import msgspec

from gtk.core.values.errors import InvalidValue
from gtk.core.values.ordinary_file import read_ordinary

T = TypeVar("T")


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
    try:
        return decode_json(read_ordinary(path, limit), kind)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InvalidValue(f"{path} cannot be read: {error.strerror}") from error
    except InvalidValue as error:
        raise InvalidValue(f"{path} is damaged: {error}") from error


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
        raise InvalidValue(str(error)) from error
